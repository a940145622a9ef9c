//! From an Ethernet frame to the flow it belongs to: addresses, ports, protocol, and nothing else of it.
//!
//! Reads through [`Bytes`], so the same code runs over a packet in the kernel and over a slice in a test. Whatever the
//! bytes are, the answer is a flow, or that there is none; nothing loops further than [`MOST_HEADERS`].

use crate::layout::FlowKey;

/// Bytes that may end anywhere.
pub trait Bytes {
    /// The value at `offset`, which need not be aligned; `None` beyond the end. `T` is an integer or an array of them.
    fn load<T: Copy>(&self, offset: usize) -> Option<T>;
}

#[cfg(not(target_arch = "bpf"))]
impl Bytes for [u8] {
    fn load<T: Copy>(&self, offset: usize) -> Option<T> {
        let bytes = self.get(offset..)?.get(..size_of::<T>())?;
        // SAFETY: there are that many bytes, alignment is not asked for, and `T` is made of integers.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }
}

/// Why a frame leads to no flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFlow {
    /// It goes on beyond the bytes at hand.
    Short,
    /// No UDP, TCP or SCTP over IP; or a fragment that is not the first, which carries no ports.
    Other,
}

/// Enough of a frame for every header that is read: two VLAN tags and IPv6 with some extension headers.
pub const HEADERS: usize = 192;

/// IPv6 extension headers that are passed over, at the most.
const MOST_HEADERS: usize = 4;

const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const VLAN_OUTER: u16 = 0x88a8;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// The flow of the frame that starts at offset 0, as a client's packet towards a virtual address.
#[inline(always)]
pub fn flow_key(frame: &(impl Bytes + ?Sized)) -> Result<FlowKey, NoFlow> {
    let mut at = ETHERNET;
    let mut kind = word(frame, at - 2)?;
    // Two tags at the most. Where the hardware takes a tag off, the frame has none.
    if kind == VLAN || kind == VLAN_OUTER {
        at += VLAN_TAG;
        kind = word(frame, at - 2)?;
    }
    if kind == VLAN {
        at += VLAN_TAG;
        kind = word(frame, at - 2)?;
    }
    match kind {
        IPV4 => ipv4(frame, at),
        IPV6 => ipv6(frame, at),
        _ => Err(NoFlow::Other),
    }
}

#[inline(always)]
fn ipv4(frame: &(impl Bytes + ?Sized), at: usize) -> Result<FlowKey, NoFlow> {
    // The header in one piece, so that its room is asked for once.
    let [start, fragment, life, client, virtual_addr]: [u32; 5] = load(frame, at)?;
    let [first, ..] = start.to_ne_bytes();
    let length = ((first & 0x0f) as usize) * 4;
    if first >> 4 != 4 || length < 20 {
        return Err(NoFlow::Other);
    }
    let fragment_offset = u32::from_be(fragment) & 0x1fff;
    if fragment_offset != 0 {
        return Err(NoFlow::Other);
    }
    let [_, protocol, ..] = life.to_ne_bytes();
    ports(
        frame,
        at + length,
        protocol,
        AF_INET,
        [client, 0, 0, 0],
        [virtual_addr, 0, 0, 0],
    )
}

#[inline(always)]
fn ipv6(frame: &(impl Bytes + ?Sized), at: usize) -> Result<FlowKey, NoFlow> {
    let [start, sizes, c0, c1, c2, c3, v0, v1, v2, v3]: [u32; 10] = load(frame, at)?;
    let [first, ..] = start.to_ne_bytes();
    if first >> 4 != 6 {
        return Err(NoFlow::Other);
    }
    let (client, virtual_addr) = ([c0, c1, c2, c3], [v0, v1, v2, v3]);
    let [_, _, mut header, _] = sizes.to_ne_bytes();
    let mut at = at + 40;
    for _ in 0..MOST_HEADERS {
        match header {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                // Never a single byte behind an offset that varies: the verifier takes no proof of room for one.
                let [next, units]: [u8; 2] = load(frame, at)?;
                header = next;
                at += (units as usize + 1) * 8;
            }
            FRAGMENT => {
                let [next, _, high, low]: [u8; 4] = load(frame, at)?;
                if (high as u16) << 8 | (low as u16 & 0xf8) != 0 {
                    return Err(NoFlow::Other);
                }
                header = next;
                at += 8;
            }
            _ => break,
        }
    }
    ports(frame, at, header, AF_INET6, client, virtual_addr)
}

/// All three protocols begin with the source and the destination port.
#[inline(always)]
fn ports(
    frame: &(impl Bytes + ?Sized),
    at: usize,
    protocol: u8,
    family: u16,
    client_addr: [u32; 4],
    virtual_addr: [u32; 4],
) -> Result<FlowKey, NoFlow> {
    if protocol != UDP && protocol != TCP && protocol != SCTP {
        return Err(NoFlow::Other);
    }
    let [client_port, virtual_port]: [u16; 2] = load(frame, at)?;
    Ok(FlowKey {
        client_addr,
        virtual_addr,
        client_port,
        virtual_port,
        protocol: protocol as u16,
        family,
    })
}

#[inline(always)]
fn load<T: Copy>(frame: &(impl Bytes + ?Sized), at: usize) -> Result<T, NoFlow> {
    frame.load(at).ok_or(NoFlow::Short)
}

/// A 16-bit number in network order.
#[inline(always)]
fn word(frame: &(impl Bytes + ?Sized), at: usize) -> Result<u16, NoFlow> {
    load::<u16>(frame, at).map(u16::from_be)
}
