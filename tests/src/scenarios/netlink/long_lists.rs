//! Lists longer than one chunk of a dump, left half-way, and changed by another hand while they are read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;
use ipvsdrain::identity::VirtualService;
use ipvsdrain::ipvs::{Destination, Error, Forwarding, Ipvs};
use serde_json::{Value, json};

use super::{server, service};

/// More than fit into one chunk of a dump (32 KiB).
const MANY: u16 = 300;

/// A list of many chunks is whole, also after a reader gave up half-way, and while another hand changes it.
pub(super) async fn long_lists() -> anyhow::Result<Value> {
    let ipvs = Ipvs::connect().await?;
    let long = service("udp:10.0.0.3:53", "rr", u32::MAX);
    ipvs.add_service(&long).await?;
    let mut members = BTreeSet::new();
    for number in 1..=MANY {
        let [high, low] = number.to_be_bytes();
        let server = server(&format!("10.2.{high}.{low}:53"), Forwarding::DirectRoute, 1);
        ipvs.add_destination(&long.identity, &server).await?;
        members.insert(server.server.to_string());
    }
    let whole = |found: &[Destination]| {
        let names: BTreeSet<_> = found.iter().map(|found| found.server.to_string()).collect();
        names.len() == found.len() && names.is_superset(&members)
    };
    ensure!(
        whole(&ipvs.destinations(&long.identity).await?),
        "a long list is not whole"
    );

    for patience in 0..12 {
        tokio::select! {
            biased;
            _ = ipvs.destinations(&long.identity) => {}
            () = turns(patience) => {}
        }
        let found = ipvs.destinations(&long.identity).await;
        ensure!(
            whole(&found?),
            "a reader that left after {patience} turns spoiled the next read"
        );
    }

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other_hand = scope.spawn(|| keep_changing(&long.identity, &stop));
        let reads = moving_reads(&long.identity, whole);
        stop.store(true, Ordering::Relaxed);
        let changes = other_hand
            .join()
            .map_err(|_| anyhow::anyhow!("the changing thread panicked"))??;
        let (settled, unstable) = reads?;
        ensure!(settled > 0, "no read of a changing list ever settled");
        Ok(json!({"changes": changes, "settled": settled, "unstable": unstable}))
    })
}

async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Adds and removes one server at the head of the list until told to stop. Returns how often.
fn keep_changing(service: &VirtualService, stop: &AtomicBool) -> anyhow::Result<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ipvs = Ipvs::connect().await?;
        let guest = server("10.3.0.1:53", Forwarding::DirectRoute, 1);
        let mut changes = 0;
        while !stop.load(Ordering::Relaxed) {
            ipvs.add_destination(service, &guest).await?;
            ipvs.remove_destination(service, &guest.server).await?;
            changes += 2;
        }
        Ok(changes)
    })
}

/// Reads on a thread and a runtime of its own, so that the changes really run beside it.
fn moving_reads(
    service: &VirtualService,
    whole: impl Fn(&[Destination]) -> bool + Sync,
) -> anyhow::Result<(u32, u32)> {
    let reader = || -> anyhow::Result<(u32, u32)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let ipvs = Ipvs::connect().await?;
            let (mut settled, mut unstable) = (0, 0);
            for _ in 0..100 {
                match ipvs.destinations(service).await {
                    Ok(found) => {
                        ensure!(
                            whole(&found),
                            "a read of a changing list was taken, but is not whole"
                        );
                        settled += 1;
                    }
                    Err(Error::Unstable { .. }) => unstable += 1,
                    Err(other) => return Err(other.into()),
                }
            }
            Ok((settled, unstable))
        })
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(reader);
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the reading thread panicked"))?
    })
}
