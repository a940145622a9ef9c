//! The cheaper hook: no trap, and the verifier knows the argument's type, so the connection is read where it lies.

use aya_ebpf::macros::fentry;
use aya_ebpf::programs::FEntryContext;

use crate::conn::{Conn, server_in_place};
use crate::conn_put::{Reach, observe};

/// `void ip_vs_conn_put(struct ip_vs_conn *cp)`, in 5.10 to 7.2; traced this way from 5.11 on, where type information
/// of modules began. What is said of the kprobe on it holds here too.
#[fentry]
pub(crate) fn conn_put_fentry(ctx: FEntryContext) -> i32 {
    observe::<InPlace>(&ctx, ctx.arg(0));
    0
}

struct InPlace;

impl Reach for InPlace {
    #[inline(always)]
    fn server(address: u64) -> Option<[u32; 4]> {
        Some(server_in_place(address))
    }

    #[inline(always)]
    fn conn(address: u64) -> Option<Conn> {
        Some(Conn::in_place(address))
    }
}
