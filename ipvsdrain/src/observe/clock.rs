//! The clock the programs read with `bpf_ktime_get_ns`.

use nix::time::{ClockId, clock_gettime};

use crate::moment::Moment;

/// Now, by `CLOCK_MONOTONIC`.
pub(super) fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Moment::from_nanos(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0))
}
