//! All that is said about all real servers, and the verdict on each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Outcome};
use super::signal::{Says, Signal};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// Within so long after the board was begun whoever looks at a server has found something.
const ALL_ARE_HEARD_AFTER: Duration = Duration::from_secs(30);

/// What nobody has said anything about for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

type Key = (VirtualService, RealServer);

/// Every source's newest word on every real server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Board {
    since: Moment,
    services: BTreeMap<VirtualService, BTreeMap<RealServer, Signals>>,
}

/// By source.
type Signals = BTreeMap<String, Signal>;

/// What follows from all signals about one real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub verdict: Verdict,
    /// Since when.
    pub since: Moment,
    /// Failures since then, over all sources that say *down*.
    pub failures: u32,
    /// At least two sources have a word, and all of them say *down*.
    pub unanimous: bool,
    /// May a *down* be acted on?
    pub belief: Belief,
    /// When a source last found the server well.
    pub last_pass: Option<Moment>,
}

/// The sum of the signals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Some source says *up*, and none *down*.
    Up,
    /// Some source says *down*: which, and its cause.
    Down { source: String, cause: String },
    /// Nothing is known, or the source that said *down* fell silent; why.
    Unknown(String),
}

/// Whether the server is at fault, or whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Belief {
    /// Another server of the service was found well after this one began to fail; or nobody looks at the others.
    Believed,
    /// No other server was found well since: the answer may still come.
    Awaited,
    /// All servers of the service fail: more likely it is the checker that does.
    AllFail,
}

/// One source's word, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub source: String,
    pub says: Says,
    pub since: Moment,
    /// Failures in a row.
    pub failures: u32,
    /// Passes in a row.
    pub passes: u32,
    /// The cause of the last failure; empty if there was none.
    pub cause: String,
    pub last: Moment,
    pub stale_at: Moment,
}

impl Board {
    /// An empty one: nobody was heard before.
    pub fn since(now: Moment) -> Self {
        Self {
            since: now,
            services: BTreeMap::new(),
        }
    }

    pub fn hear(&mut self, finding: &Finding) {
        let servers = self.services.entry(finding.service).or_default();
        let signals = servers.entry(finding.server).or_default();
        if finding.outcome == Outcome::Withdrawn {
            if let Some(signal) = signals.remove(&finding.source) {
                // The others may have said *up* for longer than the server was well.
                let well_since = if signal.was_down() {
                    finding.at
                } else {
                    signal.since()
                };
                for signal in signals.values_mut() {
                    signal.begin_anew(well_since);
                }
            }
            self.drop_empty();
            return;
        }
        signals
            .entry(finding.source.clone())
            .or_insert_with(|| Signal::new(finding.at))
            .hear(finding);
    }

    /// Drops what nobody has spoken of for a day.
    pub fn forget(&mut self, now: Moment) {
        for signals in self.services.values_mut().flat_map(BTreeMap::values_mut) {
            signals.retain(|_, signal| now.since(signal.last().max(signal.stale_at())) < FORGOTTEN_AFTER);
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        self.services.retain(|_, servers| {
            servers.retain(|_, signals| !signals.is_empty());
            !servers.is_empty()
        });
    }

    /// The servers somebody spoke of.
    pub fn servers(&self) -> impl Iterator<Item = Key> + '_ {
        self.services
            .iter()
            .flat_map(|(service, servers)| keys(*service, servers))
    }

    /// Those of one service.
    pub fn servers_of(&self, service: &VirtualService) -> impl Iterator<Item = Key> + '_ {
        let service = *service;
        self.services
            .get(&service)
            .into_iter()
            .flat_map(move |servers| keys(service, servers))
    }

    fn signals(&self, service: &VirtualService, server: &RealServer) -> Option<&Signals> {
        self.services.get(service)?.get(server)
    }

    /// `None` if nobody has ever said anything about this server.
    pub fn health(&self, service: &VirtualService, server: &RealServer, now: Moment) -> Option<Health> {
        let signals = self.signals(service, server)?;
        let saying = |word| signals.iter().filter(move |(_, signal)| signal.says(now) == word);
        let (down, up) = (saying(Says::Down).count(), saying(Says::Up).count());
        let (verdict, since) = verdict(signals, now);
        let belief = match verdict {
            Verdict::Down { .. } => self.belief(service, server, since, now),
            Verdict::Up | Verdict::Unknown(_) => Belief::Believed,
        };
        Some(Health {
            verdict,
            since,
            failures: saying(Says::Down).map(|(_, signal)| signal.failures()).sum(),
            unanimous: down >= 2 && up == 0,
            belief,
            last_pass: signals.values().filter_map(Signal::last_pass).max(),
        })
    }

    /// Was another server of the service found well since this one began to fail?
    fn belief(&self, service: &VirtualService, server: &RealServer, since: Moment, now: Moment) -> Belief {
        let others = self.services.get(service).into_iter().flatten();
        let others = others.filter(|(other, _)| *other != server);
        let mut all_fail = true;
        let mut looked_at = false;
        let others = others.flat_map(|(_, signals)| signals.values());
        for signal in others.filter(|signal| !signal.has_run_out(now)) {
            looked_at = true;
            if signal.is_witness(since, now) {
                return Belief::Believed;
            }
            all_fail &= signal.says(now) == Says::Down;
        }
        match (looked_at, all_fail) {
            // The first findings about the others may still come.
            (false, _) if now.since(self.since) < ALL_ARE_HEARD_AFTER => Belief::Awaited,
            (false, _) => Belief::Believed,
            (true, true) => Belief::AllFail,
            (true, false) => Belief::Awaited,
        }
    }

    /// What each source says about a server.
    pub fn words(&self, service: &VirtualService, server: &RealServer, now: Moment) -> Vec<Word> {
        let signals = self.signals(service, server).into_iter().flatten();
        signals
            .map(|(source, signal)| Word {
                source: source.clone(),
                says: signal.says(now),
                since: signal.since(),
                failures: signal.failures(),
                passes: signal.passes(),
                cause: signal.cause().to_owned(),
                last: signal.last(),
                stale_at: signal.stale_at(),
            })
            .collect()
    }
}

fn keys(service: VirtualService, servers: &BTreeMap<RealServer, Signals>) -> impl Iterator<Item = Key> + '_ {
    servers.keys().map(move |server| (service, *server))
}

/// The sum of the signals about one server, and since when.
fn verdict(signals: &Signals, now: Moment) -> (Verdict, Moment) {
    let saying = |word| signals.iter().filter(move |(_, signal)| signal.says(now) == word);
    if let Some((source, signal)) = saying(Says::Down).min_by_key(|(_, signal)| signal.since()) {
        let (source, cause) = (source.clone(), signal.cause().to_owned());
        return (Verdict::Down { source, cause }, signal.since());
    }
    if let Some((source, signal)) = signals.iter().find(|(_, signal)| signal.went_silent_down(now)) {
        let why = format!("{source} said that it is down, and has been silent since");
        return (Verdict::Unknown(why), signal.silent_since(now));
    }
    // Of all, also of those that fell silent: for how long it was well is not for how long the others say so.
    let since = signals.values().map(Signal::since).max().unwrap_or(now);
    if saying(Says::Up).next().is_some() {
        return (Verdict::Up, since);
    }
    (Verdict::Unknown(why_unknown(signals)), since)
}

fn why_unknown(signals: &Signals) -> String {
    let sources: Vec<String> = signals
        .iter()
        .map(|(source, signal)| match signal.cause() {
            "" => source.clone(),
            cause => format!("{source} ({cause})"),
        })
        .collect();
    format!("no word from {}", sources.join(", "))
}
