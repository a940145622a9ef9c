//! Lists of traffic control over route netlink: what stands on an interface's way in. Splits messages and attributes,
//! and knows what none of them means.

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// `struct nlmsghdr`, and `struct tcmsg` behind it.
const HEADER: usize = 16;
const MESSAGE: usize = 20;
const LENGTH: u32 = 16 + 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const REQUEST_DUMP: u16 = 0x301;

/// One `struct tcmsg` and its attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The interface's number.
    pub(super) index: u32,
    pub(super) handle: u32,
    pub(super) attributes: &'a [u8],
}

/// What to list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) asks: u16,
    /// What the messages of the answer are.
    pub(super) answered_by: u16,
    /// The interface's number. The kernel may list others all the same.
    pub(super) index: u32,
    pub(super) parent: u32,
}

/// Asks, and hands every entry of the answer to `each`.
pub(super) fn list(question: Question, mut each: impl FnMut(Entry<'_>)) -> io::Result<()> {
    let asker = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    send(asker.as_raw_fd(), &bytes_of(question), MsgFlags::empty())?;
    let mut room = vec![0; 64 * 1024];
    loop {
        let length = recv(asker.as_raw_fd(), &mut room, MsgFlags::empty())?;
        if read(&room[..length], question.answered_by, &mut each)? {
            return Ok(());
        }
    }
}

fn bytes_of(question: Question) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + MESSAGE);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(question.asks.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    // Sequence, port; family and padding, interface, handle, parent, priority with protocol.
    for word in [1, 0, 0, question.index, 0, question.parent, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

/// Hands on the entries of this kind. Returns whether the messages were the last.
fn read(mut bytes: &[u8], kind: u16, each: &mut impl FnMut(Entry<'_>)) -> io::Result<bool> {
    while bytes.len() >= HEADER {
        let length = (word(bytes) as usize).clamp(HEADER, bytes.len());
        let (message, rest) = bytes.split_at(length);
        match u16::from_ne_bytes([message[4], message[5]]) {
            other if i32::from(other) == libc::NLMSG_DONE => return Ok(true),
            other if i32::from(other) == libc::NLMSG_ERROR => {
                let errno = message.get(HEADER..).map_or(0, word).cast_signed();
                return match errno {
                    0 => Ok(true),
                    errno => Err(io::Error::from_raw_os_error(-errno)),
                };
            }
            this if this == kind => {
                if let Some((tcmsg, attributes)) = message[HEADER..].split_at_checked(MESSAGE) {
                    let (index, handle) = (word(&tcmsg[4..]), word(&tcmsg[8..]));
                    each(Entry {
                        index,
                        handle,
                        attributes,
                    });
                }
            }
            _ => {}
        }
        bytes = rest
            .get((length.next_multiple_of(4) - length)..)
            .unwrap_or_default();
    }
    Ok(false)
}

pub(super) fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
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
pub(super) fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn put(kind: u16, data: &[u8]) -> Vec<u8> {
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

    /// An entry of interface 4 and this handle.
    fn entry(handle: u32) -> Vec<u8> {
        let mut data = [0, 4, handle, 0, 0].map(u32::to_ne_bytes).concat();
        data.extend(put(1, b"bpf\0"));
        message(libc::RTM_NEWTFILTER, &data)
    }

    fn handles(bytes: &[u8]) -> (io::Result<bool>, Vec<u32>) {
        let mut found = Vec::new();
        let is_last = read(bytes, libc::RTM_NEWTFILTER, &mut |entry| {
            assert_eq!(
                (entry.index, attribute(entry.attributes, 1)),
                (4, Some(&b"bpf\0"[..]))
            );
            found.push(entry.handle);
        });
        (is_last, found)
    }

    #[test]
    fn entries_are_handed_on_up_to_the_last() {
        let (is_last, found) = handles(&[entry(3), message(99, &[0; 4]), entry(7)].concat());
        assert!(!is_last.unwrap());
        assert_eq!(found, [3, 7]);
        let (is_last, found) = handles(&[entry(9), message(3, &[0; 4])].concat());
        assert!(is_last.unwrap());
        assert_eq!(found, [9]);
    }

    #[test]
    fn a_refusal_is_an_error_and_half_a_message_is_none() {
        let refusal = message(2, &(-1_i32).to_ne_bytes());
        let error = handles(&refusal).0.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(1));
        let whole = entry(7);
        for length in 0..HEADER + MESSAGE {
            let (is_last, found) = handles(&whole[..length]);
            assert!(!is_last.unwrap());
            assert!(found.is_empty(), "{length}: {found:?}");
        }
    }
}
