//! The kernel's own account of the memory it hands out in pieces of equal size, to whoever asks: the `kmalloc` caches
//! of `/proc/slabinfo`. eBPF maps live there; a connection entry has a cache of its own kind, left out here.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// Bytes in pages, by the cache that holds them, free pieces included.
#[derive(Debug)]
pub(super) struct Slabs(BTreeMap<String, u64>);

impl Slabs {
    pub(super) fn read() -> Result<Self> {
        let path = "/proc/slabinfo";
        let text = fs::read_to_string(path).with_context(|| {
            format!("cannot read {path}: run as root, on a kernel with CONFIG_SLUB_DEBUG")
        })?;
        Ok(Self(parse(&text)))
    }

    /// What was added to each cache; caches that shrank are left out.
    pub(super) fn grown_since(&self, before: &Self) -> Self {
        let grown = self.0.iter().filter_map(|(name, bytes)| {
            let more = bytes.checked_sub(before.0.get(name).copied().unwrap_or(0))?;
            Some((name.clone(), more))
        });
        Self(grown.collect())
    }

    /// Bytes for each of `units`, of the caches in which a unit takes a byte or more.
    pub(super) fn per_unit(&self, units: u32) -> Value {
        let share = |bytes: u64| bytes / u64::from(units.max(1));
        let caches: Map<String, Value> = self
            .0
            .iter()
            .filter(|(_, bytes)| share(**bytes) > 0)
            .map(|(name, bytes)| (name.clone(), json!(share(*bytes))))
            .collect();
        Value::Object(caches)
    }
}

/// ```text
/// # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables … : slabdata <active_slabs> <num_slabs> …
/// kmalloc-cg-192  42  42  192  21  1 : tunables  0  0  0 : slabdata  2  2  0
/// ```
fn parse(text: &str) -> BTreeMap<String, u64> {
    const PAGE: u64 = 4096;
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.first().filter(|name| name.starts_with("kmalloc"))?;
        let slabs = words.iter().position(|word| *word == "slabdata")? + 2;
        let pages: u64 = words.get(5)?.parse().ok()?;
        let slabs: u64 = words.get(slabs)?.parse().ok()?;
        Some(((*name).to_owned(), slabs * pages * PAGE))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slabs(number: u64) -> Slabs {
        Slabs(parse(&format!(
            "slabinfo - version: 2.1\n\
             # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> \
             <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n\
             kmalloc-cg-192 42 42 192 21 1 : tunables 0 0 0 : slabdata {number} {number} 0\n\
             ip_vs_conn 42 42 384 21 2 : tunables 0 0 0 : slabdata {number} {number} 0\n\
             kmalloc-8 512 512 8 512 1 : tunables 0 0 0 : slabdata 1 1 0\n"
        )))
    }

    #[test]
    fn growth_is_told_in_bytes_per_unit() {
        let grown = slabs(12).grown_since(&slabs(2));
        assert_eq!(grown.per_unit(210), json!({"kmalloc-cg-192": 195}));
    }
}
