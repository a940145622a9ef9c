//! The one place that performs actions.

use super::kernel::{Fault, Kernel};
use crate::drain::{Action, Evidence, Record};

/// Performs the actions of a step in order, up to the first that fails.
///
/// A failed `Watch` or `Unwatch` changes nothing in the IPVS table and stops nothing: [`Kernel::flows`] then says why
/// there is no evidence, and the drain is held for that.
pub(super) async fn perform(
    kernel: &mut impl Kernel,
    record: &Record,
    actions: &[Action],
) -> Result<(), Fault> {
    for action in actions {
        let done = perform_one(kernel, record, action).await;
        if !matches!(action, Action::Watch | Action::Unwatch) {
            done?;
        }
    }
    Ok(())
}

async fn perform_one(kernel: &mut impl Kernel, record: &Record, action: &Action) -> Result<(), Fault> {
    let Record { service, server, .. } = record;
    match action {
        Action::Watch => kernel.watch(service, server),
        Action::Unwatch => kernel.unwatch(service, server),
        Action::Quiesce => kernel.set_weight(service, server, 0).await,
        Action::SetWeight(weight) => kernel.set_weight(service, server, *weight).await,
        Action::Add(configuration) => kernel.add(service, server, configuration).await,
        Action::Set(setting, on) => kernel.set(service, *setting, *on).await,
        Action::Remove {
            needs_expire_nodest: true,
        } if kernel.expire_nodest() != Evidence::Known(true) => Err(Fault(format!(
            "{server} not removed from {service}: net.ipv4.vs.expire_nodest_conn is not 1 at this moment; \
                 another hand may have set it back"
        ))),
        Action::Remove { .. } => kernel.remove(service, server).await,
    }
}
