//! The memory both sides look at: map keys, map values, and the facts about the kernel that the loader injects.
//!
//! Every struct is `repr(C)` with its padding spelled out, and its size is asserted here. Change anything in this
//! file, in [`crate::accounting::Rings`], in [`crate::first_look`] or in the meaning of a field, and raise
//! [`LAYOUT_VERSION`].

use crate::accounting::{CLASSES, RING_SECONDS, Ring, Rings};
use crate::cell::Cell;
use crate::first_look::{Filter, Known};

/// The version of everything in this module. It lies in the object's section [`LAYOUT_SECTION`]; the loader refuses
/// an object that carries another.
pub const LAYOUT_VERSION: u32 = 5;

/// The ELF section that holds [`LAYOUT_VERSION`], little-endian.
pub const LAYOUT_SECTION: &str = "ipvsdrain.layout";

/// How many real servers can be watched at once.
pub const SLOTS: u32 = 512;

/// How many flows can be tracked at once, unless the loader says otherwise.
pub const FLOWS: u32 = 262_144;

/// How many addresses of `packet_xmit` functions the loader may name.
pub const XMITS: usize = 10;

/// The largest block of a kernel struct that is copied at once, in bytes. A power of two.
pub const BLOCK: usize = 512;

/// A type that is the same bytes on both sides: no padding, no pointer, every bit pattern valid.
///
/// # Safety
/// The implementor is `repr(C)`, has no implicit padding and holds only integers.
pub unsafe trait Plain: Copy + 'static {}

/// A part of a kernel struct that is copied in one go: where it starts in the struct, and its length in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Block {
    pub start: u32,
    pub length: u32,
}

/// Where the fields of `struct ip_vs_conn` lie, counted from the start of their block unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ConnFields {
    pub block: Block,
    /// `daddr`, counted from the start of the struct: the first look.
    pub server_addr: u32,
    pub family: u32,
    /// The size of `af`: 2 bytes up to 6.x, 1 in 7.x.
    pub family_size: u32,
    pub client_port: u32,
    pub virtual_port: u32,
    pub client_addr: u32,
    pub virtual_addr: u32,
    pub flags: u32,
    pub protocol: u32,
    pub state: u32,
    pub in_pkts: u32,
    pub dest: u32,
    pub packet_xmit: u32,
    /// Counted from the start of the struct.
    pub ipvs: u32,
}

/// Where the fields of `struct ip_vs_dest` lie: the server's own, and those of the service it stands behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DestFields {
    pub server: Block,
    pub family: u32,
    pub port: u32,
    pub addr: u32,
    pub service: Block,
    pub protocol: u32,
    pub virtual_port: u32,
    pub virtual_addr: u32,
    pub fwmark: u32,
    pub padding: u32,
}

/// How to get from `struct netns_ipvs` to the number of its network namespace, and which one is ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NetworkFields {
    /// `netns_ipvs.net`, a pointer.
    pub net: u32,
    /// `net.ns.inum`, 32 bits.
    pub inode: u32,
    /// The inode number of the network namespace under observation.
    pub ours: u32,
    pub padding: u32,
}

/// Everything the programs must know about the running kernel; a read-only global of this name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Kernel {
    pub conn: ConnFields,
    pub dest: DestFields,
    pub network: NetworkFields,
    /// 1: an arriving packet keeps its flow live, because nobody sees it being forwarded. 0: that is seen.
    pub arrival_is_life: u32,
    pub padding: u32,
    /// Addresses of the functions `packet_xmit` may point to; 0 where this kernel has none.
    pub xmits: [u64; XMITS],
}

/// The name of the global that holds [`Kernel`].
pub const KERNEL: &str = "KERNEL";

/// A destination as the kernel tells them apart: key of the map `WATCHED`. Addresses and ports are in network order,
/// the unused part of an IPv4 address is zero. Behind a fwmark service protocol, virtual address and port are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DestKey {
    pub virtual_addr: [u32; 4],
    pub server_addr: [u32; 4],
    pub fwmark: u32,
    pub service_family: u16,
    pub server_family: u16,
    pub protocol: u16,
    pub virtual_port: u16,
    pub server_port: u16,
    pub padding: u16,
}

/// Value of the map `WATCHED`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Watch {
    /// The server's index in the map `TALLIES`.
    pub slot: u32,
    /// From 1 to [`crate::accounting::LAST_ID`], so that flows of an earlier watch of the same slot are told apart.
    pub id: u32,
}

/// A client's 5-tuple, as its packets carry it and as IPVS keeps it: key of the map `FLOWS`. Which server it belongs
/// to stands in the flow's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowKey {
    pub client_addr: [u32; 4],
    pub virtual_addr: [u32; 4],
    pub client_port: u16,
    pub virtual_port: u16,
    pub protocol: u16,
    pub family: u16,
}

/// One flow: value of the map `FLOWS`. `T` is [`Cell`] where it is counted, `u64` in a copy. Times are nanoseconds
/// of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Flow<T> {
    /// A [`crate::accounting::Place`].
    pub place: T,
    pub first_seen: T,
    /// Packets in both directions.
    pub packets: T,
    pub last_seen: T,
    /// Packets from the client. Replies are `packets - requests`.
    pub requests: T,
    /// The last `in_pkts` of the connection; where the connection lies, and where its server, to tell a new one from
    /// the old one.
    pub in_pkts: T,
    pub conn: T,
    pub dest: T,
    /// IPVS's own state number for the protocol.
    pub state: T,
    /// Packets from the client that came in. Never less than what was forwarded: a packet that went out has come in.
    pub arrived: T,
    /// Packets from the client that were forwarded to another server.
    pub elsewhere: T,
}

/// Everything counted for one watched server: value of the map `TALLIES`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Tally<T> {
    pub rings: Rings<T>,
    /// The id of the [`Watch`] this counts for.
    pub watch: T,
    /// Packets of tracked flows, both directions.
    pub packets: T,
    /// Packets from clients among them.
    pub forwarded: T,
    /// When the last packet was seen, nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    pub last_packet: T,
    /// Packets whose flow found no room in `FLOWS`: they are in no other number but `last_packet`.
    pub untracked: T,
    /// Flows seen from their connection's first packet on.
    pub flows_started: T,
    /// Packets from clients of tracked flows that came in. Means something while arrivals are witnessed.
    pub arrived: T,
    /// Those among them that were forwarded to another server.
    pub elsewhere: T,
    /// Flows that were handed to another server.
    pub flows_moved: T,
    /// Packets that were forwarded although no witnessed interface saw them come in, of flows known for a second.
    pub unwitnessed: T,
}

/// What went wrong in the programs, over all servers: the only value of the map `HEALTH`. Anything but zero voids
/// the evidence.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Health<T> {
    /// Connections whose `packet_xmit` is no function of IPVS: the offsets must be wrong.
    pub mistaken: T,
    /// Kernel memory that could not be read.
    pub unreadable: T,
    /// Flows that found no room.
    pub full: T,
}

/// When a watch began: value of the map `BEGINNINGS`, by slot. The programs never look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Beginning {
    /// The id of the [`Watch`]; 0 for none.
    pub watch: u64,
    /// Nothing before this moment was seen; nanoseconds of `CLOCK_MONOTONIC`.
    pub since: u64,
}

/// What the pinned maps and programs were made for: the only value of the map `SEAL`. The programs never look at it.
/// User space writes it once everything else is pinned, and trusts what it finds pinned only if this is what it would
/// write itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Seal {
    pub kernel: Kernel,
    /// A hash of the object the programs are from.
    pub object: u64,
    /// Tells one load of the module `ip_vs` from the next.
    pub module: u64,
    /// The cookie of the network namespace. The kernel never gives it twice, as it does inode numbers.
    pub network: u64,
    /// How many flows there is room for.
    pub flows: u64,
    /// Not 0: for a while arrivals were not counted.
    pub gap: u64,
    /// [`Seal::WHOLE`] once everything is in place.
    pub whole: u64,
}

impl Seal {
    pub const WHOLE: u64 = 0x7365_616c_6564;
}

macro_rules! plain {
    ($($name:ty = $size:expr;)*) => {$(
        unsafe impl Plain for $name {}
        const _: () = assert!(size_of::<$name>() == $size);
    )*};
}

plain! {
    Kernel = 64 + 48 + 16 + 8 + XMITS * 8;
    DestKey = 48;
    Watch = 8;
    FlowKey = 40;
    Flow<u64> = 88;
    Tally<u64> = CLASSES * RING_SECONDS as usize * 8 + 80;
    Health<u64> = 24;
    Filter<u64> = 536;
    Known<u64> = 16;
    Beginning = 16;
    Seal = 216 + 48;
}

const _: () = {
    assert!(size_of::<Flow<Cell>>() == size_of::<Flow<u64>>());
    assert!(size_of::<Tally<Cell>>() == size_of::<Tally<u64>>());
    assert!(size_of::<Health<Cell>>() == size_of::<Health<u64>>());
    assert!(size_of::<Filter<Cell>>() == size_of::<Filter<u64>>());
    assert!(size_of::<Known<Cell>>() == size_of::<Known<u64>>());
    assert!(align_of::<Tally<Cell>>() == 8 && align_of::<FlowKey>() == 4 && align_of::<DestKey>() == 4);
    assert!(BLOCK.is_power_of_two());
};

#[cfg(not(target_arch = "bpf"))]
impl Tally<Cell> {
    /// As `counts` say; for tests on the host, where no map holds the cells.
    pub fn of(counts: &Tally<u64>) -> Self {
        let cell = Cell::new;
        Self {
            rings: Rings {
                classes: counts.rings.classes.map(|ring| Ring {
                    buckets: ring.buckets.map(Cell::new),
                }),
            },
            watch: cell(counts.watch),
            packets: cell(counts.packets),
            forwarded: cell(counts.forwarded),
            last_packet: cell(counts.last_packet),
            untracked: cell(counts.untracked),
            flows_started: cell(counts.flows_started),
            arrived: cell(counts.arrived),
            elsewhere: cell(counts.elsewhere),
            flows_moved: cell(counts.flows_moved),
            unwitnessed: cell(counts.unwitnessed),
        }
    }
}

impl Tally<u64> {
    /// Nothing counted yet for the watch of this id.
    pub const fn empty(watch: u32) -> Self {
        let ring = Ring {
            buckets: [0; RING_SECONDS as usize],
        };
        Self {
            rings: Rings {
                classes: [ring; CLASSES],
            },
            watch: watch as u64,
            packets: 0,
            forwarded: 0,
            last_packet: 0,
            untracked: 0,
            flows_started: 0,
            arrived: 0,
            elsewhere: 0,
            flows_moved: 0,
            unwitnessed: 0,
        }
    }
}
