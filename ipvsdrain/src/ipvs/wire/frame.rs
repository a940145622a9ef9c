//! Netlink messages inside one datagram, read from bytes. Knows the two headers, not IPVS.

use nix::errno::Errno;

use crate::ipvs::error::Error;

/// Length, type, flags, sequence number and port of every netlink message.
const NETLINK_HEADER: usize = 16;
/// Command, version and two unused bytes of every generic netlink message.
const GENERIC_HEADER: usize = 4;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
/// Types below are netlink's own, types from here on are families.
const NLMSG_MIN_TYPE: u16 = 0x10;
/// The kernel noticed that a list changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) sequence: u32,
    /// The port of the socket that asked.
    pub(super) port: u32,
    pub(super) interrupted: bool,
    pub(super) content: Content<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Message {
        family: u16,
        command: u8,
        attributes: &'a [u8],
    },
    /// The kernel's word on a request: done, or an errno.
    Acknowledgement(Result<(), Errno>),
    /// The end of a dump, which may have failed half-way.
    Done(Result<(), Errno>),
    /// Parts of the reply did not fit into the socket.
    Overrun,
    Nothing,
}

/// Splits a datagram into its messages.
pub(super) fn frames(mut datagram: &[u8]) -> Result<Vec<Frame<'_>>, Error> {
    let mut found = Vec::new();
    while !datagram.is_empty() {
        let header = datagram
            .first_chunk::<NETLINK_HEADER>()
            .ok_or_else(|| malformed(format!("{} stray bytes at the end", datagram.len())))?;
        let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let body = datagram.get(NETLINK_HEADER..len).ok_or_else(|| {
            malformed(format!(
                "a message claims {len} bytes, {} are left",
                datagram.len()
            ))
        })?;
        found.push(Frame {
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
            interrupted: u16::from_ne_bytes([f0, f1]) & NLM_F_DUMP_INTR != 0,
            content: content(u16::from_ne_bytes([t0, t1]), body)?,
        });
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

fn content(kind: u16, body: &[u8]) -> Result<Content<'_>, Error> {
    Ok(match kind {
        NLMSG_ERROR => Content::Acknowledgement(status(body)?),
        NLMSG_DONE if body.is_empty() => Content::Done(Ok(())),
        NLMSG_DONE => Content::Done(status(body)?),
        NLMSG_OVERRUN => Content::Overrun,
        NLMSG_NOOP => Content::Nothing,
        NLMSG_MIN_TYPE.. => match body {
            [command, _version, _, _, ..] => Content::Message {
                family: kind,
                command: *command,
                attributes: &body[GENERIC_HEADER..],
            },
            _ => {
                return Err(malformed(format!(
                    "{} bytes where a generic header is due",
                    body.len()
                )));
            }
        },
        _ => return Err(malformed(format!("message type {kind} is unknown"))),
    })
}

/// A status is zero or a negative errno.
fn status(body: &[u8]) -> Result<Result<(), Errno>, Error> {
    let code = body
        .first_chunk()
        .copied()
        .map(i32::from_ne_bytes)
        .ok_or_else(|| malformed(format!("a status of {} bytes", body.len())))?;
    Ok(if code < 0 {
        Err(Errno::from_raw(code.saturating_neg()))
    } else {
        Ok(())
    })
}

fn malformed(fault: String) -> Error {
    Error::Malformed {
        message: "netlink datagram",
        attribute: "header".to_owned(),
        fault,
    }
}
