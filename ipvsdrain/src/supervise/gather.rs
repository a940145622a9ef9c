//! Facts for one drain, gathered just before its step.

use super::kernel::Kernel;
use crate::drain::{Facts, Record};

/// Reads everything a step may rely on. The table comes first: a packet seen by the observer and not yet by the
/// kernel's counter is late, the reverse would be a contradiction.
pub(super) async fn facts(
    kernel: &mut impl Kernel,
    record: &Record,
    expire_nodest_borrowed_elsewhere: Option<bool>,
) -> Facts {
    let Record {
        service,
        server,
        policy,
        ..
    } = record;
    let table = kernel.table(service, server).await;
    let watched = kernel.is_watched(service, server);
    Facts {
        table,
        flows: kernel.flows(service, server, policy),
        lacking: kernel.lacking(service, server),
        counters: kernel.counters(),
        expire_nodest_conn: kernel.expire_nodest(),
        expire_nodest_borrowed_elsewhere,
        watched,
    }
}
