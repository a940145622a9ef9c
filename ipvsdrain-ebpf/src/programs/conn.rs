//! `struct ip_vs_conn` and `struct ip_vs_dest`, read by offset: in a copy of one block, or where a program may, in place.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use ipvsdrain_ebpf::layout::{BLOCK, Block, DestKey, FlowKey, XMITS};

use crate::kernel::fact;

/// `IP_VS_CONN_F_TEMPLATE`: a persistence template, which no packet belongs to. Same value in 5.10 to 7.2.
const TEMPLATE: u32 = 0x1000;
/// `IP_VS_CONN_F_ONE_PACKET`: lives for one datagram and does not count its packets.
const ONE_PACKET: u32 = 0x2000;

const AF_INET: u16 = 2;

/// A copy of a block of kernel memory.
#[repr(C, align(8))]
pub(crate) struct Copied {
    bytes: [u8; BLOCK],
}

/// Per CPU: the connection at hand, and one block of its destination at a time.
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) conn: Copied,
    pub(crate) dest: Copied,
}

impl Copied {
    /// Fills this from the struct at `address`; false if that is no readable kernel memory.
    #[inline(always)]
    fn fill(&mut self, address: u64, block: Block) -> bool {
        let from = address.wrapping_add(block.start as u64);
        unsafe { bpf_probe_read_kernel(self.bytes.as_mut_ptr().cast(), block.length, from as *const _) == 0 }
    }

    #[inline(always)]
    fn field<T: Copy>(&self, offset: u32) -> T {
        field(self.bytes.as_ptr(), offset)
    }

    #[inline(always)]
    fn addr(&self, offset: u32, family: u16) -> [u32; 4] {
        addr(self.bytes.as_ptr(), offset, family)
    }
}

/// The field at `offset` of a block. The loader has checked that it is aligned; that it lies inside, the verifier checks.
/// Volatile, because in place the kernel may change it between two reads.
#[inline(always)]
fn field<T: Copy>(block: *const u8, offset: u32) -> T {
    unsafe { block.wrapping_add(offset as usize).cast::<T>().read_volatile() }
}

/// An address; of an IPv4 address only the first word means something.
#[inline(always)]
fn addr(block: *const u8, offset: u32, family: u16) -> [u32; 4] {
    let mut addr = [field(block, offset), 0, 0, 0];
    if family != AF_INET {
        addr[1] = field(block, offset.wrapping_add(4));
        addr[2] = field(block, offset.wrapping_add(8));
        addr[3] = field(block, offset.wrapping_add(12));
    }
    addr
}

/// A `struct ip_vs_conn`: where its block begins, in a copy or in the kernel's own.
#[derive(Clone, Copy)]
pub(crate) struct Conn(*const u8);

impl Conn {
    /// Copies the connection at `address`. `None` if that is no readable kernel memory.
    #[inline(always)]
    pub(crate) fn copied(copy: &mut Copied, address: u64) -> Option<Self> {
        copy.fill(address, fact!(conn.block))
            .then_some(Self(copy.bytes.as_ptr()))
    }

    /// The connection at `address`, which the verifier must know for one: only such a program can be loaded.
    #[inline(always)]
    pub(crate) fn in_place(address: u64) -> Self {
        Self((address as *const u8).wrapping_add(fact!(conn.block.start) as usize))
    }

    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> T {
        field(self.0, offset)
    }

    #[inline(always)]
    fn flags(self) -> u32 {
        self.field(fact!(conn.flags))
    }

    #[inline(always)]
    pub(crate) fn is_template(self) -> bool {
        self.flags() & TEMPLATE != 0
    }

    #[inline(always)]
    pub(crate) fn is_one_packet(self) -> bool {
        self.flags() & ONE_PACKET != 0
    }

    /// Whether `packet_xmit` is one of the functions IPVS forwards with. If not, the offsets are not this kernel's.
    #[inline(always)]
    pub(crate) fn is_plausible(self) -> bool {
        let xmit: u64 = self.field(fact!(conn.packet_xmit));
        let mut index = 0;
        while index < XMITS {
            if xmit == fact!(xmits[index]) {
                return xmit != 0;
            }
            index += 1;
        }
        false
    }

    /// The address of the `struct ip_vs_dest`; 0 for a connection that belongs to no configured server.
    #[inline(always)]
    pub(crate) fn dest(self) -> u64 {
        self.field(fact!(conn.dest))
    }

    #[inline(always)]
    pub(crate) fn family(self) -> u16 {
        let offset = fact!(conn.family);
        if fact!(conn.family_size) == 1 {
            self.field::<u8>(offset) as u16
        } else {
            self.field(offset)
        }
    }

    #[inline(always)]
    pub(crate) fn protocol(self) -> u16 {
        self.field(fact!(conn.protocol))
    }

    #[inline(always)]
    pub(crate) fn state(self) -> u16 {
        self.field(fact!(conn.state))
    }

    #[inline(always)]
    pub(crate) fn in_pkts(self) -> u32 {
        self.field(fact!(conn.in_pkts))
    }

    #[inline(always)]
    pub(crate) fn flow_key(self) -> FlowKey {
        let family = self.family();
        FlowKey {
            client_addr: addr(self.0, fact!(conn.client_addr), family),
            virtual_addr: addr(self.0, fact!(conn.virtual_addr), family),
            client_port: self.field(fact!(conn.client_port)),
            virtual_port: self.field(fact!(conn.virtual_port)),
            protocol: self.protocol(),
            family,
        }
    }
}

/// Where a connection keeps the address of its destination, counted from the start of the struct.
#[inline(always)]
pub(crate) fn dest_offset() -> u32 {
    fact!(conn.block.start).wrapping_add(fact!(conn.dest))
}

/// The server's address in the connection at `address`, read as [`Conn::in_place`] reads.
#[inline(always)]
pub(crate) fn server_in_place(address: u64) -> [u32; 4] {
    let word = |index: u32| {
        field(
            address as *const u8,
            fact!(conn.server_addr).wrapping_add(4 * index),
        )
    };
    [word(0), word(1), word(2), word(3)]
}

/// The identity of the destination at `address`, behind a service of `service_family`. `None` if it cannot be read.
#[inline(always)]
pub(crate) fn dest_key(copy: &mut Copied, address: u64, service_family: u16) -> Option<DestKey> {
    if !copy.fill(address, fact!(dest.server)) {
        return None;
    }
    let server_family: u16 = copy.field(fact!(dest.family));
    let mut key = DestKey {
        virtual_addr: [0; 4],
        server_addr: copy.addr(fact!(dest.addr), server_family),
        fwmark: 0,
        service_family,
        server_family,
        protocol: 0,
        virtual_port: 0,
        server_port: copy.field(fact!(dest.port)),
        padding: 0,
    };
    if !copy.fill(address, fact!(dest.service)) {
        return None;
    }
    key.fwmark = copy.field(fact!(dest.fwmark));
    // Behind a fwmark service these fields of the destination carry no meaning.
    if key.fwmark == 0 {
        key.protocol = copy.field(fact!(dest.protocol));
        key.virtual_port = copy.field(fact!(dest.virtual_port));
        key.virtual_addr = copy.addr(fact!(dest.virtual_addr), service_family);
    }
    Some(key)
}
