//! The kernel modules that a guest needs, with everything those need, and the index modprobe reads.
//!
//! A module may ask for another by name (`modules.dep`) or softly, by alias (`modules.softdep`,
//! `modules.alias`): `libcrc32c` finds its `crc32c` only that way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::kernel::Kernel;
use super::programs::Programs;
use crate::cache;

/// Without these no guest is of use.
const REQUIRED: [&str; 6] = ["ip_vs", "ip_vs_rr", "veth", "dummy", "ipip", "nf_conntrack"];
/// Taken where the kernel has them.
const WELCOME: &str = "bridge tunnel4 ip_gre gre fou fou6 ip6_tunnel ip6_gre sit sctp tun ifb macvlan 8021q \
    nf_nat nf_tables nft_compat nft_ct nft_counter nft_nat nft_masq nft_chain_nat nft_meta \
    ip_tables ip6_tables iptable_filter iptable_mangle iptable_nat ip6table_mangle \
    xt_mark xt_MARK xt_conntrack xt_ipvs xt_tcpudp x_tables \
    sch_netem sch_ingress sch_tbf sch_prio sch_fq cls_bpf cls_flower cls_u32 cls_matchall act_gact act_mirred act_bpf overlay \
    inet_diag tcp_diag udp_diag unix_diag netlink_diag crc32c_generic crc32c_intel crc32c_cryptoapi";
/// Every module in this folder is taken: `ip_vs` and all its schedulers.
const WHOLE_FOLDER: &str = "kernel/net/netfilter/ipvs/";

/// Raised when the lists above change, so that old selections are not used again.
const SELECTION: u32 = 3;

/// The folder `…/lib/modules/<release>` with just those modules, unpacked, and their index.
pub fn select(kernel: &Kernel, programs: &Programs) -> anyhow::Result<PathBuf> {
    let _lock = cache::lock()?;
    let base = cache::folder("modules")?.join(format!("{}-{SELECTION}", kernel.release));
    let folder = base.join("lib/modules").join(&kernel.release);
    let done = base.join("done");
    if done.exists() {
        return Ok(folder);
    }
    let index = Index::of(kernel, programs)?;
    let chosen = index.closure()?;
    for path in &chosen {
        let packed = path.strip_suffix(".xz");
        let (from, to) = (kernel.modules.join(path), folder.join(packed.unwrap_or(path)));
        let parent = to.parent().context("a module without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let content = match packed {
            Some(_) => unpack(&from, programs)?,
            None => fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?,
        };
        fs::write(&to, content).with_context(|| format!("cannot write {}", to.display()))?;
    }
    for list in ["modules.builtin", "modules.order", "modules.builtin.modinfo"] {
        let from = kernel.modules.join(list);
        if from.exists() {
            fs::copy(&from, folder.join(list)).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    depmod(&base, &kernel.release, programs)?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))?;
    Ok(folder)
}

/// Decompresses here, so that the emulated guest need not.
fn unpack(path: &Path, programs: &Programs) -> anyhow::Result<Vec<u8>> {
    let output = programs
        .command("xz-utils", "xz", "xz")?
        .args(["--decompress", "--stdout"])
        .arg(path)
        .output()
        .context("cannot start xz")?;
    ensure!(
        output.status.success(),
        "xz {}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn depmod(base: &Path, release: &str, programs: &Programs) -> anyhow::Result<()> {
    let output = programs
        .command("kmod", "kmod", "depmod")?
        .arg("-b")
        .arg(base)
        .arg(release)
        .output()
        .context("cannot start depmod")?;
    ensure!(
        output.status.success(),
        "depmod for {release}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// What depmod wrote about all modules of a kernel.
#[derive(Debug, Default)]
struct Index {
    /// Path by module name.
    paths: BTreeMap<String, String>,
    /// Paths needed, by path.
    needs: BTreeMap<String, Vec<String>>,
    /// Names or aliases softly needed, by module name.
    softly: BTreeMap<String, Vec<String>>,
    /// Pattern and module name.
    aliases: Vec<(String, String)>,
    builtin: BTreeSet<String>,
}

impl Index {
    fn of(kernel: &Kernel, programs: &Programs) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = kernel.modules.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        if !kernel.modules.join("modules.dep").exists() {
            let base = kernel
                .modules
                .ancestors()
                .nth(3)
                .context("modules must lie in …/lib/modules/<release>")?;
            depmod(base, &kernel.release, programs)?;
        }
        Ok(Self::parse(
            &read("modules.dep")?,
            &read("modules.softdep")?,
            &read("modules.alias")?,
            &read("modules.builtin")?,
        ))
    }

    fn parse(dep: &str, softdep: &str, alias: &str, builtin: &str) -> Self {
        let mut index = Self::default();
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            index.paths.insert(module_name(path), path.to_owned());
            index.needs.insert(
                path.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            );
        }
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if let (Some("softdep"), Some(name)) = (words.next(), words.next()) {
                let needs = words
                    .filter(|word| *word != "pre:" && *word != "post:")
                    .map(str::to_owned);
                index
                    .softly
                    .entry(name.replace('-', "_"))
                    .or_default()
                    .extend(needs);
            }
        }
        for line in alias.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) = (words.next(), words.next(), words.next()) {
                index.aliases.push((pattern.replace('-', "_"), name.to_owned()));
            }
        }
        index.builtin = builtin.lines().map(module_name).collect();
        index
    }

    /// Paths of the wanted modules and of all they need.
    fn closure(&self) -> anyhow::Result<BTreeSet<String>> {
        for name in REQUIRED {
            ensure!(
                self.paths.contains_key(name) || self.builtin.contains(name),
                "the kernel has no {name}, neither as a module nor built in"
            );
        }
        let whole = self
            .paths
            .values()
            .filter(|path| path.starts_with(WHOLE_FOLDER))
            .cloned();
        let named = REQUIRED.into_iter().chain(WELCOME.split_whitespace());
        let mut open: Vec<String> = whole
            .chain(named.filter_map(|name| self.paths.get(&name.replace('-', "_")).cloned()))
            .collect();
        let mut chosen = BTreeSet::new();
        while let Some(path) = open.pop() {
            if !chosen.insert(path.clone()) {
                continue;
            }
            open.extend(self.needs.get(&path).into_iter().flatten().cloned());
            for soft in self.softly.get(&module_name(&path)).into_iter().flatten() {
                open.extend(self.by_name_or_alias(soft));
            }
        }
        Ok(chosen)
    }

    fn by_name_or_alias(&self, name: &str) -> Vec<String> {
        let name = name.replace('-', "_");
        let named = self.paths.get(&name).cloned();
        // The aliases that softdeps use are exact names; patterns with wildcards stand for hardware.
        let aliased = self.aliases.iter().filter(|(alias, _)| *alias == name);
        named
            .into_iter()
            .chain(aliased.filter_map(|(_, module)| self.paths.get(module).cloned()))
            .collect()
    }
}

/// `kernel/lib/libcrc32c.ko.xz` is the module `libcrc32c`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/net/netfilter/ipvs/ip_vs.ko: kernel/net/netfilter/nf_conntrack.ko kernel/lib/libcrc32c.ko
kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/net/netfilter/ipvs/ip_vs.ko
kernel/net/netfilter/ipvs/ip_vs_new.ko:
kernel/net/netfilter/nf_conntrack.ko: kernel/net/nf-defrag.ko
kernel/net/nf-defrag.ko:
kernel/lib/libcrc32c.ko:
kernel/crypto/crc32c_generic.ko.xz:
kernel/drivers/net/dummy.ko:
kernel/drivers/net/unrelated.ko:
kernel/net/ipv4/ipip.ko:
";
    const SOFTDEP: &str = "# Soft dependencies\nsoftdep libcrc32c pre: crc32c\n";
    const ALIAS: &str = "alias crc32c crc32c_generic\nalias pci:v00008086* unrelated\n";

    fn chosen(builtin: &str) -> anyhow::Result<BTreeSet<String>> {
        Index::parse(DEP, SOFTDEP, ALIAS, builtin).closure()
    }

    #[test]
    fn needs_of_needs_soft_needs_and_every_scheduler_are_taken() {
        let chosen = chosen("kernel/drivers/net/veth.ko\n").unwrap();
        for path in [
            "kernel/net/nf-defrag.ko",
            "kernel/crypto/crc32c_generic.ko.xz",
            "kernel/net/netfilter/ipvs/ip_vs_new.ko",
        ] {
            assert!(chosen.contains(path), "{path} is missing from {chosen:?}");
        }
        assert!(!chosen.contains("kernel/drivers/net/unrelated.ko"));
    }

    #[test]
    fn a_kernel_without_what_the_lab_needs_is_refused_by_name() {
        assert!(chosen("").unwrap_err().to_string().contains("veth"));
    }
}
