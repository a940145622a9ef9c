//! Facts about the running kernel, injected by the loader before the programs are verified.

use aya_ebpf::Global;
use ipvsdrain_ebpf::layout::{Block, ConnFields, DestFields, Kernel, NetworkFields, XMITS};

const NONE: Block = Block { start: 0, length: 0 };

/// All zero until the loader fills it in. Read-only afterwards, so the verifier sees each value as a constant, and
/// refuses offsets beyond what was copied.
#[unsafe(no_mangle)]
static KERNEL: Global<Kernel> = Global::new(Kernel {
    conn: ConnFields {
        block: NONE,
        server_addr: 0,
        family: 0,
        family_size: 0,
        client_port: 0,
        virtual_port: 0,
        client_addr: 0,
        virtual_addr: 0,
        flags: 0,
        protocol: 0,
        state: 0,
        in_pkts: 0,
        dest: 0,
        packet_xmit: 0,
        ipvs: 0,
    },
    dest: DestFields {
        server: NONE,
        family: 0,
        port: 0,
        addr: 0,
        service: NONE,
        protocol: 0,
        virtual_port: 0,
        virtual_addr: 0,
        fwmark: 0,
        padding: 0,
    },
    network: NetworkFields {
        net: 0,
        inode: 0,
        ours: 0,
        padding: 0,
    },
    arrival_is_life: 0,
    padding: 0,
    xmits: [0; XMITS],
});

/// The facts, for [`fact`] only: reading the struct as a whole would copy it to the stack.
#[inline(always)]
pub(crate) fn facts() -> *const Kernel {
    (&raw const KERNEL).cast()
}

/// Reads one injected fact, for example `fact!(conn.flags)`. Volatile, because the compiler sees the zeros above.
macro_rules! fact {
    ($($path:tt)+) => {
        unsafe { (&raw const (*$crate::kernel::facts()).$($path)+).read_volatile() }
    };
}
pub(crate) use fact;
