//! Whether results say the same as those that are published: harm, or none, cell by cell. How much may differ from run to
//! run and machine to machine; whether, may not. Pure.

use std::fmt;

use super::record::{Key, Record, Records};
use super::share::Harm;

/// How results compare with published ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// Cells with the published sign.
    pub(super) same: usize,
    /// Cells that have no published counterpart.
    pub(super) unpublished: usize,
    /// The others.
    pub(super) different: Vec<Key>,
}

impl Signs {
    /// A published cell is the counterpart whatever its kernel: where kernels differ in sign, either is right.
    pub(super) fn compare(own: &Records, published: &Records) -> Self {
        let mut signs = Self::default();
        for record in own.all() {
            let Some(harmed) = is_harmed(record) else {
                continue;
            };
            let counterparts = published
                .all()
                .filter(|other| is_counterpart(&record.key, &other.key));
            let known: Vec<bool> = counterparts.filter_map(is_harmed).collect();
            match known.contains(&harmed) {
                true => signs.same += 1,
                false if known.is_empty() => signs.unpublished += 1,
                false => signs.different.push(record.key.clone()),
            }
        }
        signs
    }
}

fn is_harmed(record: &Record) -> Option<bool> {
    record
        .valid()
        .map(|cost| Harm::of(&record.key.traffic, cost).count > 0)
}

fn is_counterpart(one: &Key, other: &Key) -> bool {
    let apart_from_kernel = |key: &Key| Key {
        kernel: String::new(),
        ..key.clone()
    };
    apart_from_kernel(one) == apart_from_kernel(other)
}

impl fmt::Display for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cells are harmed or unharmed as published, {} are not, {} are not published",
            self.same,
            self.different.len(),
            self.unpublished
        )?;
        for key in &self.different {
            write!(f, "\n  not as published: {key}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::{cost, record};

    fn records(lost: u64, kernels: &[&str]) -> Records {
        let mut records = Records::default();
        for kernel in kernels {
            let mut one = record(kernel, "dns", "delete", None);
            one.cost = Some(cost(100, lost, None));
            records.take(one);
        }
        records
    }

    #[test]
    fn harm_is_compared_with_harm_and_none_with_none() {
        let published = records(7, &["6.1"]);
        let compare = |own: &Records| Signs::compare(own, &published);
        assert_eq!(compare(&records(1, &["7", "6.1"])).same, 2);
        let differs = compare(&records(0, &["6.1"]));
        assert_eq!((differs.same, differs.different.len()), (0, 1));
        assert!(differs.to_string().contains("`delete`"), "{differs}");
    }

    #[test]
    fn what_nobody_published_and_what_is_void_is_no_difference() {
        let own = records(1, &["6.1"]);
        assert_eq!(Signs::compare(&own, &Records::default()).unpublished, 1);
        let mut void = Records::default();
        void.take(record("6.1", "dns", "delete", Some("too busy")));
        assert_eq!(Signs::compare(&void, &own), Signs::default());
    }
}
