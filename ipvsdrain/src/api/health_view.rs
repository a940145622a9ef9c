//! What is known of the health of servers as JSON, and what is done about it. Nothing is judged here.

use serde::{Deserialize, Serialize};

use crate::drain::{Hold, Reason, Record, Stance, State};
pub use crate::health::Says;
use crate::health::{Verdict, Word};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::supervise::ServerHealth;

/// Every server that somebody spoke of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthList {
    pub servers: Vec<HealthView>,
}

/// The health of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthView {
    pub service: VirtualService,
    pub server: RealServer,
    /// The sum of what is said.
    pub verdict: Says,
    /// For how long that has been so.
    pub seconds: f64,
    /// Who said first that it is down; `null` unless it is.
    pub source: Option<String>,
    /// The cause of its failure, or why nothing is known; `null` while it is up.
    pub because: Option<String>,
    /// Failures in a row, over all sources that say *down*.
    pub failures: u32,
    /// At least two sources have a word, and all of them say *down*.
    pub unanimous: bool,
    /// Where it stands between its health and its drains.
    pub stance: Stance,
    /// The same in a sentence: what is done about it.
    pub doing: String,
    /// Somebody should look at it.
    pub alarm: bool,
    /// How often it failed lately, as far as that is not forgotten.
    pub level: u32,
    /// For how long it must be up before it is put back; `null` unless it is down for its failure.
    pub hold_down_secs: Option<u64>,
    pub sources: Vec<WordView>,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordView {
    /// `check:NAME` or `report:NAME`.
    pub source: String,
    pub says: Says,
    /// For how long it has said so.
    pub seconds: f64,
    /// Failures in a row.
    pub failures: u32,
    /// Passes in a row.
    pub passes: u32,
    /// The cause of its last failure; empty if there was none.
    pub cause: String,
    /// How long ago it was last heard.
    pub heard_seconds_ago: f64,
    /// When its word goes stale; below 0 if that is past.
    pub stale_in_seconds: f64,
}

/// What a drain for failure is about. It stays when maintenance takes the drain over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// Who said so first, and the cause it gave.
    pub source: String,
    pub cause: String,
    /// How often it failed lately, this time included.
    pub level: u32,
    /// For how long it must be up before it is put back.
    pub hold_down_secs: u64,
    /// It was put back, or is, because it was up again.
    pub recovered: bool,
}

impl FailureView {
    pub(super) fn of(record: &Record) -> Option<Self> {
        let failure = record.failure.as_ref()?;
        Some(Self {
            source: failure.source.clone(),
            cause: failure.cause.clone(),
            level: failure.level,
            hold_down_secs: record.policy.failure.hold_down(failure.level).as_secs(),
            recovered: failure.recovered,
        })
    }
}

impl HealthView {
    /// `newest` is the newest drain of that server.
    pub(crate) fn of(known: &ServerHealth, newest: Option<&Record>) -> Self {
        let ServerHealth { health, at, .. } = known;
        let (verdict, source, because) = match &health.verdict {
            Verdict::Up => (Says::Up, None, None),
            Verdict::Down { source, cause } => (Says::Down, Some(source.clone()), Some(cause.clone())),
            Verdict::Unknown(why) => (Says::Unknown, None, Some(why.clone())),
        };
        let away = newest.filter(|record| is_away_for_failure(record));
        let hold_down_secs = away.and_then(FailureView::of).map(|view| view.hold_down_secs);
        let doing = match (&known.stance, newest) {
            (Stance::Unknown(_), _) if verdict == Says::Unknown => {
                "nothing is done until somebody says how it is".to_owned()
            }
            (Stance::Unknown(why), _) => format!("nothing is done: {why}"),
            (Stance::Quiesced, Some(record)) => doing(record, verdict, hold_down_secs),
            (stance, _) => stance.to_string(),
        };
        Self {
            service: known.service,
            server: known.server,
            verdict,
            seconds: at.since(health.since).as_secs_f64(),
            source,
            because,
            failures: health.failures,
            unanimous: health.unanimous,
            stance: known.stance.clone(),
            doing,
            alarm: known.stance.is_alarm(),
            level: newest.map_or(0, |record| level(record, *at)),
            hold_down_secs,
            sources: known.words.iter().map(|word| WordView::of(word, *at)).collect(),
        }
    }

    /// For a column of a table.
    pub fn word(&self) -> &'static str {
        match (&self.stance, self.verdict) {
            (Stance::Needed(_), _) => "down, needed",
            (Stance::AllFail, _) => "down, all fail",
            (_, Says::Up) if self.hold_down_secs.is_some() => "up, held down",
            (_, Says::Up) => "up",
            (_, Says::Down) => "down",
            (_, Says::Unknown) => "unknown",
        }
    }
}

impl WordView {
    fn of(word: &Word, now: Moment) -> Self {
        let fresh_for = word.stale_at.since(now).as_secs_f64();
        Self {
            source: word.source.clone(),
            says: word.says,
            seconds: now.since(word.since).as_secs_f64(),
            failures: word.failures,
            passes: word.passes,
            cause: word.cause.clone(),
            heard_seconds_ago: now.since(word.last).as_secs_f64(),
            stale_in_seconds: fresh_for - now.since(word.stale_at).as_secs_f64(),
        }
    }
}

/// It is at weight 0 or removed because it failed, and not on its way back.
fn is_away_for_failure(record: &Record) -> bool {
    record.reason == Reason::Failure
        && !matches!(record.state, State::Restoring | State::Restored | State::Yielded)
}

/// Of a drain that is over it fades.
fn level(record: &Record, now: Moment) -> u32 {
    let Some(failure) = &record.failure else {
        return 0;
    };
    if record.is_over() {
        failure.level_at(now, &record.policy.failure)
    } else {
        failure.level
    }
}

/// Of a server with a drain for its failure.
fn doing(record: &Record, verdict: Says, hold_down_secs: Option<u64>) -> String {
    let drained = if record.shadow {
        "it would be drained for its failure, were this not shadow mode"
    } else {
        "it is drained for its failure"
    };
    match (&record.observed.held, hold_down_secs, record.transitions.last()) {
        (_, None, Some(last)) => format!("it is put back: {}", last.why),
        (_, Some(secs), _) if verdict == Says::Up => {
            format!("{drained}, and put back once it was up for {secs} s")
        }
        (Some(Hold::HealthUnknown(_)), ..) => {
            format!("{drained}, and stays so until somebody says how it is")
        }
        (Some(held), ..) => format!("{drained}; held: {held}"),
        _ => drained.to_owned(),
    }
}
