//! How far a drain has come, and when its server will be proven empty if things go on as they did. Pure; whoever looks at
//! the drain again and again keeps a [`Course`] of it. Nothing is decided by it.

use std::time::Duration;

use super::decay::{Sample, Samples};
use super::facts::Flows;
use super::policy::Policy;
use super::record::Record;
use super::state::State;
use crate::moment::Moment;

/// What was seen of one drain so far: a minute of samples, and one number.
#[derive(Debug, Default)]
pub struct Course {
    samples: Samples,
    /// The most flows that were live at one moment since weight 0.
    most: u64,
}

impl Course {
    /// Looks at the drain. Worth calling after each step.
    pub fn see(&mut self, record: &Record) {
        if !is_emptying(record.state) {
            return;
        }
        // After a restart of the daemon the journal tells of some moments before it.
        let told = record
            .transitions
            .iter()
            .filter(|step| is_emptying(step.to))
            .filter_map(|step| step.evidence?.flows?.counted());
        let most = told.map(|flows| all(&flows)).max().unwrap_or_default();
        self.most = self.most.max(most);
        if let (Some(at), Some(live), Some(flows)) =
            (record.observed.at, record.live(), record.observed.flows)
        {
            self.most = self.most.max(live);
            self.samples.add(Sample {
                at: Duration::from_nanos(at.as_nanos()).as_secs_f64(),
                live,
                forwarded: flows.forwarded,
            });
        }
    }

    /// Of the most flows that were live at one moment since weight 0, the share that is not any more; 1 once the server is
    /// proven empty or removed. `None` while flows are not known, before any was seen, and on the way back.
    pub fn progress(&self, record: &Record) -> Option<f64> {
        match record.state {
            State::Pooled => Some(0.0),
            State::Drained | State::Removed => Some(1.0),
            State::Draining | State::Quiet => {
                let live = record.live().filter(|_| self.most > 0)?;
                Some(1.0 - ratio(live.min(self.most), self.most))
            }
            State::Restoring | State::Restored | State::Yielded => None,
        }
    }

    /// Until the server is proven empty: while flows are live until none is, then what is left of the silence. `None`
    /// where that cannot be told.
    pub fn left(&self, record: &Record, now: Moment) -> Option<Duration> {
        match record.state {
            State::Draining => {
                record.live()?;
                let secs = self.samples.seconds_to_none()?;
                Duration::try_from_secs_f64(secs).ok()
            }
            State::Quiet if record.observed.held.is_none() => {
                let last = record.observed.flows?.last_packet?;
                Some(silence_left(&record.policy, last, now))
            }
            State::Drained => Some(Duration::ZERO),
            _ => None,
        }
    }
}

/// What is left of the silence that proves a server empty, by the packet that was seen last.
pub fn silence_left(policy: &Policy, last_packet: Moment, now: Moment) -> Duration {
    policy.silence().saturating_sub(now.since(last_packet))
}

/// At weight 0, and still in the table.
const fn is_emptying(state: State) -> bool {
    matches!(state, State::Draining | State::Quiet | State::Drained)
}

const fn all(flows: &Flows) -> u64 {
    flows.udp + flows.tcp_open + flows.tcp_closing
}

#[allow(clippy::cast_precision_loss, reason = "a share that is shown rounded")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
