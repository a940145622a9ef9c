//! The one check of every row: how it ended for who waited, what the daemon and the table show, what the ledger counted,
//! how soon the server went, and whether everything else is as it was.

use std::time::Duration;

use anyhow::Result;
use ipvsdrain::moment::Moment;
use serde_json::{Value, json};

use super::setting::{Before, Case, DRAINED, LIMIT};
use crate::daemon::PendingDrain;
use crate::ledger::{Account, Flow};
use crate::traffic::Traffic;

/// The daemon's default for UDP flows and for closed TCP connections alike.
pub(super) const QUIET: Duration = Duration::from_secs(10);
/// How much later than its quiet window a server may go.
const SLACK: Duration = Duration::from_secs(2);

/// How a row should end.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The exit code of who waits for the drain: `0`, or `waits` while it still does. None: nobody waits.
    exit: Option<&'static str>,
    /// `none` if there is no drain. None: whatever it is.
    state: Option<&'static str>,
    /// Weight of server1; None if it is gone.
    weight: Option<i32>,
    /// From the last packet of its last flow to its removal. None: flows are live when it goes, or it does not.
    quiet: Option<Duration>,
    /// It was out of the table for a while, and its flows lost what they sent then and nothing else: they are still its.
    resumes: bool,
}

impl End {
    /// Removed once it was idle for its quiet window.
    pub(super) const IDLE: Self = Self {
        exit: Some("0"),
        state: Some("removed"),
        weight: None,
        quiet: Some(QUIET),
        resumes: false,
    };
    /// Removed under live flows.
    pub(super) const REMOVED: Self = Self {
        quiet: None,
        ..Self::IDLE
    };
    /// Refused, and nothing was changed.
    pub(super) const REFUSED: Self = Self {
        exit: Some("4"),
        state: Some("none"),
        weight: Some(1),
        quiet: None,
        resumes: false,
    };
    /// Still draining, and the client still waits.
    pub(super) const DRAINING: Self = Self {
        exit: Some("waits"),
        state: Some("draining"),
        weight: Some(0),
        quiet: None,
        resumes: false,
    };

    pub(super) const fn exit(self, code: &'static str) -> Self {
        Self {
            exit: Some(code),
            ..self
        }
    }

    pub(super) const fn state(self, state: &'static str) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    pub(super) const fn any_state(self) -> Self {
        Self { state: None, ..self }
    }

    /// Nobody waits for the drain: the client's daemon died, or nobody asked.
    pub(super) const fn unwaited(self) -> Self {
        Self { exit: None, ..self }
    }

    /// Removed once it was idle for this long.
    pub(super) const fn after(self, quiet: Duration) -> Self {
        Self {
            quiet: Some(quiet),
            ..self
        }
    }

    pub(super) const fn resumes(self) -> Self {
        Self {
            resumes: true,
            ..self
        }
    }

    pub(super) const fn weight(self, weight: Option<i32>) -> Self {
        Self { weight, ..self }
    }
}

impl Case<'_> {
    /// Waits for the client's end and judges.
    pub(super) fn judge_end(&mut self, drain: PendingDrain, end: End) -> Result<()> {
        let ended = drain.ended(LIMIT)?;
        self.judge(Some(&ended.exit()), end)
    }

    /// Judges while the client still waits, if it does.
    pub(super) fn judge_now(&mut self, drain: PendingDrain, end: End) -> Result<()> {
        let exit = if drain.await_end(Duration::ZERO)? {
            drain.ended(LIMIT)?.exit()
        } else {
            "waits".to_owned()
        };
        self.judge(Some(&exit), end)
    }

    /// Judges: the last thing a row does. `exit` is how the client ended.
    pub(super) fn judge(&mut self, exit: Option<&str>, end: End) -> Result<()> {
        let view = self.daemon.drain(self.place).ok();
        let weight = self.weight(self.place)?;
        let after = Before::of(self.world)?;
        let traffic = std::mem::replace(&mut self.traffic, Traffic::new(self.world));
        let account = traffic.finish()?;

        if let Some(expected) = end.exit {
            self.facts.add("exit", expected, exit.unwrap_or("nobody waited"));
        }
        if let Some(expected) = end.state {
            let seen = view.as_ref().map_or("none", |view| view.state.word());
            self.facts.add("state", expected, seen);
        }
        let in_table =
            |weight: Option<i32>| weight.map_or("gone".to_owned(), |weight| format!("weight {weight}"));
        self.facts.add("table", in_table(end.weight), in_table(weight));
        let (before, service) = (self.before.clone(), self.place.service);
        self.facts
            .add("sysctls", "as before", changed(&before.sysctls, &after.sysctls));
        if self
            .world
            .director()
            .table()?
            .iter()
            .any(|row| row.place.service == service)
        {
            let seen = if before.services == after.services {
                "as before".to_owned()
            } else {
                after.services.join("; ")
            };
            self.facts.add("service", "as before", seen);
        }
        if end.resumes {
            let moved = |flow: &Flow| {
                account
                    .servings(*flow)
                    .iter()
                    .any(|serving| serving.server != DRAINED)
            };
            let moved = account.flows_of(DRAINED).filter(moved).count();
            self.facts.add("flows that moved", 0, moved);
            self.facts.add("lost meanwhile", true, account.lost() > 0);
        } else {
            self.facts.add("lost", 0, account.lost());
            self.facts.add("unanswered", 0, account.unanswered());
        }
        if let Some(quiet) = end.quiet {
            let (least, most) = (quiet.as_secs_f64(), (quiet + SLACK).as_secs_f64());
            let seen = match self.seconds(&account) {
                Some((_, before)) if before < least => format!("{before:.1} s: too early"),
                Some((after, _)) if after > most => format!("{after:.1} s: too late"),
                Some(_) => "in time".to_owned(),
                None => "never".to_owned(),
            };
            self.facts.add("removal", "in time", seen);
        }
        let ok = self.facts.hold();
        self.told = json!({
            "ok": ok,
            "expected": self.facts.expected(),
            "seen": self.facts.seen(),
            "sent": account.sent(),
            "lost": account.lost(),
            "unanswered": account.unanswered(),
            "seconds": end.quiet.and_then(|_| self.seconds(&account)).map(|(after, _)| after),
            "limit": end.quiet.map(|quiet| (quiet + SLACK).as_secs_f64()),
            "trouble": if ok { Value::Null } else { json!(self.explained(&account)) },
        });
        Ok(())
    }

    /// From the last packet of server1's last flow to its removal: longer than the first, no longer than the second.
    fn seconds(&self, account: &Account) -> Option<(f64, f64)> {
        let (after, before) = self.witness.gone(self.place)?;
        let last = last_packet(account)?;
        Some((after.since(last).as_secs_f64(), before.since(last).as_secs_f64()))
    }

    fn explained(&self, account: &Account) -> String {
        let log = self.daemon.log();
        let view = self.daemon.drain(self.place).ok();
        let held = view.as_ref().and_then(|view| view.held.clone());
        let verdict = view.as_ref().and_then(|view| view.verdict.clone());
        let arrivals = view.as_ref().and_then(|view| view.arrivals);
        let forwarded = view.as_ref().and_then(|view| view.forwarded);
        let weights = self.witness.weights(self.place);
        format!(
            "held: {held:?}; verdict: {verdict:?}; {arrivals:?}, forwarded {forwarded:?}; weights {weights}; {}; the daemon printed: {log}",
            account.faults(5)
        )
    }
}

/// A datagram or record to server1, its answer, or the close of its connection.
fn last_packet(account: &Account) -> Option<Moment> {
    let moments = [
        account.last_receipt(DRAINED),
        account.last_answer(DRAINED),
        account.last_close(DRAINED),
    ];
    moments.into_iter().flatten().max()
}

fn changed(
    before: &std::collections::BTreeMap<String, String>,
    after: &std::collections::BTreeMap<String, String>,
) -> String {
    let differing: Vec<String> = before
        .iter()
        .filter(|(name, value)| after.get(*name) != Some(*value))
        .map(|(name, value)| format!("{name} {value} -> {:?}", after.get(name)))
        .collect();
    if differing.is_empty() {
        "as before".to_owned()
    } else {
        differing.join(", ")
    }
}
