//! Filters of the old kind, which kernels before 6.6 use for classifiers: whether there is a place for them, which ones
//! stand on an interface, and taking ours off. They stay when the process that put them there ends.

use std::io;

use aya::programs::{TcAttachType, tc};
use nix::libc;

use super::route::{self, Entry, Question, attribute, word};
use crate::observe::faults::with_causes;

/// The name of our program, and so of our filters.
pub(super) const PROGRAM: &str = "arrivals_tc";

/// Of `include/uapi/linux/rtnetlink.h` and `pkt_cls.h`.
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`
const INGRESS: u32 = 0xffff_fff2;
/// What `clsact` has for a handle, and so has its forerunner, `ingress`.
const CLSACT: u32 = 0xffff_0000;

/// Whether the interface has the queueing discipline that such filters belong to.
pub(super) fn has_place(index: u32) -> io::Result<bool> {
    let mut has = false;
    let question = Question {
        asks: libc::RTM_GETQDISC,
        answered_by: libc::RTM_NEWQDISC,
        index,
        parent: 0,
    };
    route::list(question, |entry| has |= is_place(entry, index))?;
    Ok(has)
}

fn is_place(entry: Entry<'_>, index: u32) -> bool {
    entry.index == index && entry.handle == CLSACT
}

/// The numbers of our programs that stand as filters on this interface's way in.
pub(super) fn programs(index: u32) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    let question = Question {
        asks: libc::RTM_GETTFILTER,
        answered_by: libc::RTM_NEWTFILTER,
        index,
        parent: INGRESS,
    };
    route::list(question, |entry| found.extend(ours(entry)))?;
    Ok(found)
}

/// Takes our filters off this interface.
pub(super) fn detach(device: &str) -> Result<(), String> {
    tc::qdisc_detach_program(device, TcAttachType::Ingress, PROGRAM).map_err(|fault| with_causes(&fault))
}

/// The number of the program, if this filter is ours.
fn ours(entry: Entry<'_>) -> Option<u32> {
    let options = attribute(entry.attributes, TCA_OPTIONS)?;
    let name = attribute(options, TCA_BPF_NAME)?;
    (name.strip_suffix(&[0]).unwrap_or(name) == PROGRAM.as_bytes())
        .then(|| attribute(options, TCA_BPF_ID).map(word))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::arrivals::route::tests::put;

    fn entry(handle: u32, attributes: &[u8]) -> Entry<'_> {
        Entry {
            index: 4,
            handle,
            attributes,
        }
    }

    #[test]
    fn our_own_programs_are_found_by_name() {
        let filter = |name: &str, number: u32| {
            let mut of = put(TCA_BPF_NAME, format!("{name}\0").as_bytes());
            of.extend(put(TCA_BPF_ID, &number.to_ne_bytes()));
            [put(1, b"bpf\0"), put(TCA_OPTIONS, &of)].concat()
        };
        assert_eq!(ours(entry(0, &filter(PROGRAM, 7))), Some(7));
        assert_eq!(ours(entry(0, &filter("other", 3))), None);
        assert_eq!(ours(entry(0, &put(1, b"flower\0"))), None);
    }

    #[test]
    fn only_the_way_in_of_the_interface_itself_has_a_place() {
        assert!(is_place(entry(CLSACT, &[]), 4));
        assert!(!is_place(entry(CLSACT, &[]), 5));
        assert!(!is_place(entry(0x8001_0000, &[]), 4), "the way out");
    }
}
