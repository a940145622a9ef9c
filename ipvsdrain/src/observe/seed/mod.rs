//! The seed: what the kernel's own table, `/proc/net/ip_vs_conn`, knows of a real server when its watch begins. The
//! probes see a flow at its next packet; this sees the silent ones.
//!
//! Owns a bounded read of that file. Where the probe sees flows, the seed is shown and never decided on: the kernel's
//! count of active connections is exact where this may be cut short. Where it does not, the seed names the flows, and
//! one that was cut short proves nothing.

mod line;
mod lines;
mod summary;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::Duration;

pub(super) use self::line::Entry;
pub use self::summary::SeedSummary;

use self::lines::Lines;
use super::error::ObserveError;
use crate::clock;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// How long reading may take unless told otherwise. Up to Linux 6.13 each call walks the table from its start again:
/// 20,000 entries are read in this time, 80,000 are not.
pub(super) const BUDGET: Duration = Duration::from_millis(250);

/// The table of the calling thread's network namespace.
const TABLE: &str = "/proc/thread-self/net/ip_vs_conn";

/// The kernel hands out a page at most per call.
const CHUNK: usize = 4096;

/// Reads the entries of `server` behind `service`, for as long as `budget` lasts, and shows each to `each`.
pub(super) fn read(
    service: &VirtualService,
    server: &RealServer,
    budget: Duration,
    each: impl FnMut(&Entry),
) -> Result<SeedSummary, ObserveError> {
    let unreadable = |source| ObserveError::Unreadable {
        what: "the table of connections",
        path: PathBuf::from(TABLE),
        source,
    };
    let mut table = File::open(TABLE).map_err(unreadable)?;
    read_from(&mut table, service, server, budget, clock::now, each).map_err(unreadable)
}

/// Looks at the clock before each call, which the kernel answers after one walk over the table at most: that is how
/// far the budget can be overrun.
fn read_from(
    table: &mut impl Read,
    service: &VirtualService,
    server: &RealServer,
    budget: Duration,
    mut now: impl FnMut() -> Moment,
    mut each: impl FnMut(&Entry),
) -> std::io::Result<SeedSummary> {
    let mut summary = SeedSummary::empty(now());
    let mut lines = Lines::default();
    let mut chunk = [0; CHUNK];
    while now().since(summary.at) < budget {
        match table.read(&mut chunk) {
            Ok(0) => {
                lines.finish(|line| summary.take(line::parse(line), service, server, &mut each));
                summary.complete = true;
                break;
            }
            Ok(length) => lines.feed(&chunk[..length], |line| {
                summary.take(line::parse(line), service, server, &mut each);
            }),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod seed_tests;
