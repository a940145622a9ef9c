//! Takes the queueing discipline `clsact` off an interface again, once no filter hangs on it any more.
//!
//! Owns three messages to the kernel's traffic control, in the network namespace of the calling thread: aya adds that
//! discipline and has no way to remove it. Only for an interface that had none before us.

use std::io;
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

/// Of `include/uapi/linux/{netlink,rtnetlink,pkt_sched}.h`.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
const CLSACT_HANDLE: u32 = 0xffff_0000;

/// `struct nlmsghdr` and `struct tcmsg`.
const HEADER: usize = 16;
const MESSAGE: usize = HEADER + 20;

/// Removes `clsact` from `device` if nothing hangs on it. Returns whether it did.
pub(super) fn remove_if_unused(device: &str) -> io::Result<bool> {
    let index = if_nametoindex(device)?;
    if has_filters(index, INGRESS)? || has_filters(index, EGRESS)? {
        return Ok(false);
    }
    let request = message(RTM_DELQDISC, REQUEST | ACK, index, CLSACT_HANDLE, CLSACT);
    let mut outcome = Ok(());
    ask(&request, |kind, content| {
        if kind == NLMSG_ERROR {
            outcome = errno(content);
        }
        kind != NLMSG_ERROR
    })?;
    outcome.map(|()| true)
}

fn has_filters(index: u32, parent: u32) -> io::Result<bool> {
    let mut found = false;
    let mut outcome = Ok(());
    ask(
        &message(RTM_GETTFILTER, REQUEST | DUMP, index, 0, parent),
        |kind, content| {
            match kind {
                RTM_NEWTFILTER => found = true,
                NLMSG_ERROR => outcome = errno(content),
                _ => {}
            }
            kind != NLMSG_DONE && kind != NLMSG_ERROR
        },
    )?;
    outcome.map(|()| found)
}

fn message(kind: u16, flags: u16, index: u32, handle: u32, parent: u32) -> Vec<u8> {
    let mut message = Vec::with_capacity(MESSAGE);
    let length = u32::try_from(MESSAGE).unwrap_or_default();
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(index.to_ne_bytes());
    message.extend(handle.to_ne_bytes());
    message.extend(parent.to_ne_bytes());
    message.extend([0; 4]);
    message
}

/// Sends one request and hands each message of the answer to `each`, its kind and what follows its header, until it
/// says that it was the last.
fn ask(request: &[u8], mut each: impl FnMut(u16, &[u8]) -> bool) -> io::Result<()> {
    let asker = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    bind(asker.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    send(asker.as_raw_fd(), request, MsgFlags::empty())?;
    let mut room = vec![0; 32 * 1024];
    loop {
        let length = recv(asker.as_raw_fd(), &mut room, MsgFlags::empty())?;
        if !messages(&room[..length], &mut each)? {
            return Ok(());
        }
    }
}

/// Returns whether more are to come.
fn messages(mut bytes: &[u8], each: &mut impl FnMut(u16, &[u8]) -> bool) -> io::Result<bool> {
    let broken = || io::Error::other("the kernel's answer is cut short");
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
        let (kind, _) = rest.split_first_chunk::<2>().ok_or_else(broken)?;
        let length = u32::from_ne_bytes(*length) as usize;
        let content = bytes.get(HEADER..length).ok_or_else(broken)?;
        if !each(u16::from_ne_bytes(*kind), content) {
            return Ok(false);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// An acknowledgement is an error of number 0.
fn errno(content: &[u8]) -> io::Result<()> {
    match content
        .first_chunk::<4>()
        .map(|number| i32::from_ne_bytes(*number))
    {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(-number)),
        None => Err(io::Error::other("the kernel's answer has no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + content.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(content);
        bytes
    }

    #[test]
    fn a_request_names_interface_handle_and_parent() {
        let bytes = message(RTM_DELQDISC, REQUEST | ACK, 7, CLSACT_HANDLE, CLSACT);
        assert_eq!(bytes.len(), MESSAGE);
        assert_eq!(bytes[..8], [36, 0, 0, 0, 37, 0, 5, 0]);
        assert_eq!(bytes[20..24], [7, 0, 0, 0]);
        assert_eq!(bytes[24..32], [0, 0, 0xff, 0xff, 0xf1, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn messages_are_read_one_by_one_up_to_the_last() {
        let bytes = [
            answer(RTM_NEWTFILTER, &[1; 8]),
            answer(NLMSG_DONE, &[0; 4]),
            answer(9, &[]),
        ]
        .concat();
        let mut kinds = Vec::new();
        let more = messages(&bytes, &mut |kind, _| {
            kinds.push(kind);
            kind != NLMSG_DONE
        });
        assert!(!more.unwrap());
        assert_eq!(kinds, [RTM_NEWTFILTER, NLMSG_DONE]);
    }

    #[test]
    fn bytes_that_are_no_answer_are_an_error() {
        for length in 1..HEADER + 8 {
            let cut = answer(RTM_NEWTFILTER, &[1; 8])[..length].to_vec();
            assert!(messages(&cut, &mut |_, _| true).is_err(), "{length} bytes");
        }
        let endless = [0; 32];
        assert!(messages(&endless, &mut |_, _| true).is_err());
    }

    #[test]
    fn an_error_keeps_its_number() {
        assert!(errno(&[0; 4]).is_ok());
        assert_eq!(
            errno(&(-2_i32).to_ne_bytes()).unwrap_err().raw_os_error(),
            Some(2)
        );
        assert!(errno(&[]).is_err());
    }

    #[test]
    fn the_loopback_has_no_filters_to_begin_with() {
        let loopback = if_nametoindex("lo").unwrap();
        assert!(!has_filters(loopback, INGRESS).unwrap());
    }
}
