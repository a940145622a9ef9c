//! Filters of the old kind, which kernels before 6.6 use for classifiers: which ones stand on an interface, and taking
//! ours off. They stay when the process that put them there ends.
//!
//! Asked over route netlink. Only what is needed to find our own program is read.

use std::io;
use std::os::fd::AsRawFd;

use aya::programs::{TcAttachType, tc};
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::observe::faults::with_causes;

/// The name of our program, and so of our filters.
pub(super) const PROGRAM: &str = "arrivals_tc";

/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`
const INGRESS: u32 = 0xffff_fff2;
/// Of `include/uapi/linux/rtnetlink.h` and `pkt_cls.h`.
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;

/// `struct nlmsghdr`, and `struct tcmsg` behind it.
const HEADER: usize = 16;
const MESSAGE: usize = 20;
const LENGTH: u32 = 16 + 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const REQUEST_DUMP: u16 = 0x301;

/// The numbers of our programs that stand as filters on this interface's way in.
pub(super) fn programs(index: u32) -> io::Result<Vec<u32>> {
    let asker = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    send(asker.as_raw_fd(), &question(index), MsgFlags::empty())?;
    let mut found = Vec::new();
    let mut room = vec![0; 64 * 1024];
    loop {
        let length = recv(asker.as_raw_fd(), &mut room, MsgFlags::empty())?;
        if read(&room[..length], &mut found)? {
            return Ok(found);
        }
    }
}

/// Takes our filters off this interface.
pub(super) fn detach(device: &str) -> Result<(), String> {
    tc::qdisc_detach_program(device, TcAttachType::Ingress, PROGRAM).map_err(|fault| with_causes(&fault))
}

fn question(index: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + MESSAGE);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(libc::RTM_GETTFILTER.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    // Sequence, port; family and padding, interface, handle, parent, priority with protocol.
    for word in [1, 0, 0, index, 0, INGRESS, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

/// Adds what the messages tell of our programs. Returns whether they were the last.
fn read(mut bytes: &[u8], found: &mut Vec<u32>) -> io::Result<bool> {
    while bytes.len() >= HEADER {
        let length = (word(bytes) as usize).clamp(HEADER, bytes.len());
        let (message, rest) = bytes.split_at(length);
        match u16::from_ne_bytes([message[4], message[5]]) {
            kind if i32::from(kind) == libc::NLMSG_DONE => return Ok(true),
            kind if i32::from(kind) == libc::NLMSG_ERROR => {
                let errno = message.get(HEADER..).map_or(0, word).cast_signed();
                return match errno {
                    0 => Ok(true),
                    errno => Err(io::Error::from_raw_os_error(-errno)),
                };
            }
            libc::RTM_NEWTFILTER => found.extend(message.get(HEADER + MESSAGE..).and_then(ours)),
            _ => {}
        }
        bytes = rest
            .get((length.next_multiple_of(4) - length)..)
            .unwrap_or_default();
    }
    Ok(false)
}

/// The number of the program, if the filter with these attributes is ours.
fn ours(attributes: &[u8]) -> Option<u32> {
    let options = attribute(attributes, TCA_OPTIONS)?;
    let name = attribute(options, TCA_BPF_NAME)?;
    (name.strip_suffix(&[0]).unwrap_or(name) == PROGRAM.as_bytes())
        .then(|| attribute(options, TCA_BPF_ID).map(word))
        .flatten()
}

fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    const NESTED: u16 = 0x8000;
    while bytes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]])).clamp(4, bytes.len());
        let kind = u16::from_ne_bytes([bytes[2], bytes[3]]) & !NESTED;
        if kind == wanted {
            return bytes.get(4..length);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The first four bytes; 0 if there are fewer.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + data.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + data.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(data);
        bytes
    }

    fn filter(name: &str, number: u32) -> Vec<u8> {
        let mut of = put(TCA_BPF_NAME, format!("{name}\0").as_bytes());
        of.extend(put(TCA_BPF_ID, &number.to_ne_bytes()));
        let mut data = vec![0; MESSAGE];
        data.extend(put(1, b"bpf\0"));
        data.extend(put(TCA_OPTIONS, &of));
        message(libc::RTM_NEWTFILTER, &data)
    }

    #[test]
    fn our_own_programs_are_found_by_name() {
        let mut found = Vec::new();
        let bytes = [filter("other", 3), filter(PROGRAM, 7)].concat();
        assert!(!read(&bytes, &mut found).unwrap());
        let last = [filter(PROGRAM, 9), message(3, &[0; 4])].concat();
        assert!(read(&last, &mut found).unwrap());
        assert_eq!(found, [7, 9]);
    }

    #[test]
    fn a_refusal_is_an_error_and_half_a_message_is_none() {
        let refusal = message(2, &(-1_i32).to_ne_bytes());
        let error = read(&refusal, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(1));
        let whole = filter(PROGRAM, 7);
        for length in 0..whole.len() - 4 {
            let mut found = Vec::new();
            assert!(!read(&whole[..length], &mut found).unwrap());
            assert!(found.is_empty(), "{length}: {found:?}");
        }
    }
}
