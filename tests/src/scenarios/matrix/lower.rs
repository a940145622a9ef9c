//! One cell on a lower rung of the ladder: flows that are there before the watch begins, as in a real drain.
//!
//! On the rung of arrivals the observer tells live flows and what arrived; what was forwarded, the kernel's own counters
//! tell. On the rung of counters those alone speak: the cell has no flows then.

use std::time::Duration;

use anyhow::{Result, ensure};
use ipvsdrain::identity::Protocol;
use ipvsdrain::observe::Rung;
use serde_json::{Value, json};

use super::bench::{Bench, PATIENCE, WATCHED, WELL_AFTER, start, watch};
use super::cell::{Cell, Kind};
use super::counts::Segments;
use crate::clock;
use crate::ledger::Account;
use crate::traffic::Traffic;
use crate::world::{Forwarding, Place};

/// The kernel renews its counters every 2 s.
const COUNTED: Duration = Duration::from_secs(5);
/// The kernel forgets a silent UDP flow after 300 s, and its timers may be late by an eighth.
const LONGEST_ENTRY: Duration = Duration::from_mins(6);

/// What came of the traffic after the watch began, at the watched server.
struct Outcome {
    flows: u64,
    received: u64,
    replied: u64,
    /// The kernel's counters when the watch began.
    base: (u64, u64),
}

impl Bench {
    /// Runs one cell on `rung`.
    pub(super) fn run_lower(&mut self, cell: Cell, rung: Rung) -> Result<Value> {
        self.port += 1;
        if cell.kind == Kind::Fwmark && rung == Rung::Arrivals {
            // The kernel's table shows no mark: entries of other cells on the same server would count as this one's.
            clock::pass(LONGEST_ENTRY);
        }
        let place = self.balance(cell)?;
        let outcome = match cell.protocol {
            Protocol::Tcp => self.with_tcp(place, cell)?,
            _ => self.with_udp(place, cell)?,
        };
        clock::pass(COUNTED);
        let counters = self.world.director().packets_in(place)?;
        let (forwarded, replied) = (counters.0 - outcome.base.0, counters.1 - outcome.base.1);
        let on = self.read(place, clock::now())?;
        ensure!(
            on.rung == rung,
            "it is seen by {}, not {rung}: {:?}",
            on.rung,
            self.observer.rung()
        );
        clock::pass(WELL_AFTER);
        let well_after = self.read(place, clock::now())?;
        self.unwatch(place)?;

        let mut expected = json!({"forwarded": outcome.received, "replied": outcome.replied});
        let mut seen = json!({"forwarded": forwarded, "replied": replied});
        if rung == Rung::Arrivals {
            // Where each datagram is scheduled for itself the kernel's table has no entry, and so no flow is known.
            let known = u64::from(cell.kind != Kind::OnePacket);
            let (udp, tcp) = match cell.protocol {
                Protocol::Udp => (outcome.flows * known, 0),
                _ => (0, outcome.flows),
            };
            let arrived = on
                .arrivals
                .as_ref()
                .map(|arrivals| arrivals.arrived)
                .unwrap_or_default();
            let after = well_after.live_udp + well_after.live_tcp_open + well_after.live_tcp_closing;
            for (name, should, does) in [
                ("arrived", outcome.received * known, arrived),
                ("lost", 0, arrived.saturating_sub(forwarded)),
                ("live_udp", udp, on.live_udp),
                ("live_tcp_open", tcp, on.live_tcp_open),
                ("live_after", 0, after),
                ("not_followed", 0, well_after.untracked),
            ] {
                expected[name] = json!(should);
                seen[name] = json!(does);
            }
        }
        let ok = expected == seen && outcome.received > 0;
        Ok(json!({"name": format!("{cell}@{rung}"), "ok": ok, "expected": expected, "seen": seen}))
    }

    /// The same client ports before and after the watch begins.
    fn with_udp(&mut self, place: Place, cell: Cell) -> Result<Outcome> {
        self.send(cell)?;
        clock::pass(COUNTED);
        let base = self.world.director().packets_in(place)?;
        watch(&self.world, &mut self.observer, place, cell)?;
        let began = clock::now();
        let account = self.send(cell)?;
        let received = account.received_after(WATCHED, began) as u64;
        Ok(Outcome {
            flows: account.flows_of(WATCHED).count() as u64,
            received,
            replied: if masquerades(cell) { received } else { 0 },
            base,
        })
    }

    fn send(&self, cell: Cell) -> Result<Account> {
        let mut traffic = Traffic::over(cell.family, &self.world);
        let records = start(&mut traffic, Protocol::Udp, self.port)?;
        traffic.ledger().wait_until(PATIENCE, |account| {
            account.sent() == records && account.unanswered() == 0
        });
        traffic.finish()
    }

    /// Connections that are open and silent when the watch begins, and then close.
    fn with_tcp(&mut self, place: Place, cell: Cell) -> Result<Outcome> {
        let mut traffic = Traffic::over(cell.family, &self.world);
        let records = start(&mut traffic, Protocol::Tcp, self.port)?;
        traffic.ledger().wait_until(PATIENCE, |account| {
            account.sent() == records && account.unanswered() == 0
        });
        clock::pass(COUNTED);
        let base = self.world.director().packets_in(place)?;
        let before = Segments::of(self.world.server(WATCHED))?;
        watch(&self.world, &mut self.observer, place, cell)?;
        let flows = traffic.ledger().account().open_tcp(WATCHED, clock::now()) as u64;
        traffic.finish()?;
        let segments = Segments::of(self.world.server(WATCHED))?.since(before);
        Ok(Outcome {
            flows,
            received: segments.received,
            replied: if masquerades(cell) { segments.sent } else { 0 },
            base,
        })
    }
}

fn masquerades(cell: Cell) -> bool {
    cell.forwarding == Forwarding::Masquerade && cell.kind != Kind::OnePacket
}
