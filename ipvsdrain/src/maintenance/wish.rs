//! What the markers want and is not so yet. Pure.
//!
//! A marker asks once for each server of its host: whoever restores one by hand, or takes it over, while the file is
//! there, is not overruled until the file is touched again.

use std::fmt;

use super::folder::Marker;
use crate::drain::{Reason, Record, State};
use crate::identity::{RealServer, VirtualService};
use crate::supervise::{Listing, REBOOTED};

pub(super) type Key = (VirtualService, RealServer);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Drain { key: Key, note: String },
    Restore { key: Key },
}

impl Wish {
    pub(super) fn key(&self) -> Key {
        match self {
            Wish::Drain { key, .. } | Wish::Restore { key } => *key,
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wish::Drain { .. } => "a file in the maintenance folder asks to drain it",
            Wish::Restore { .. } => "its file in the maintenance folder is gone: it is to be restored",
        })
    }
}

/// `records` holds the newest drain of each server.
pub(super) fn wishes(markers: &[Marker], listing: &Listing, records: &[Record]) -> Vec<Wish> {
    let listed = listing.iter().flat_map(|listed| {
        let service = listed.service;
        listed.servers.iter().map(move |server| (service, server.server))
    });
    let listed: Vec<Key> = listed.collect();
    // What was removed for its failure is to stay away even when it is well again.
    let removed = records
        .iter()
        .filter(|record| record.reason == Reason::Failure && record.state == State::Removed)
        .map(|record| (record.service, record.server))
        .filter(|key| !listed.contains(key));
    let wanted = listed.iter().copied().chain(removed);
    let drains = wanted.filter_map(|key| {
        let marker = marker_of(markers, &key)?;
        let newest = records
            .iter()
            .find(|record| (record.service, record.server) == key);
        newest
            .is_none_or(|record| !is_settled(record, marker))
            .then(|| Wish::Drain {
                key,
                note: marker.note.clone(),
            })
    });
    let restores = records.iter().filter_map(|record| {
        let key = (record.service, record.server);
        let is_ours = record.reason == Reason::Marker
            && !matches!(record.state, State::Restoring | State::Restored | State::Yielded);
        (is_ours && marker_of(markers, &key).is_none()).then_some(Wish::Restore { key })
    });
    drains.chain(restores).collect()
}

fn marker_of<'a>(markers: &'a [Marker], (_, server): &Key) -> Option<&'a Marker> {
    markers.iter().find(|marker| marker.address == server.0.ip())
}

/// The marker has had its drain, or another drain is under way; one for failure is taken over.
fn is_settled(record: &Record, marker: &Marker) -> bool {
    if record.reason == Reason::Failure && !record.is_over() {
        return false;
    }
    let rebooted = record.transitions.last().is_some_and(|step| step.why == REBOOTED);
    let answered = record.reason == Reason::Marker && record.asked_unix() >= marker.since_unix && !rebooted;
    !record.is_over() || answered
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::drain::TakenOver;
    use crate::supervise::fake_kernel::ORIGINAL;
    use crate::supervise::{ListedServer, ListedService};

    fn marker(since_unix: u64) -> Marker {
        Marker {
            address: "10.1.0.5".parse().unwrap(),
            since_unix,
            note: "new disk".to_owned(),
        }
    }

    fn listing() -> Listing {
        let server = ListedServer {
            server: "10.1.0.5:53".parse().unwrap(),
            configuration: ORIGINAL,
            active: 0,
            inactive: 0,
            persistent: 0,
        };
        let service = |name: &str| ListedService {
            service: name.parse().unwrap(),
            scheduler: "rr".to_owned(),
            servers: vec![server.clone()],
        };
        vec![service("udp:10.0.0.1:53"), service("tcp:10.0.0.1:53")]
    }

    /// A marker's drain of the UDP service, begun at second 100.
    fn drain(state: State, why: &str) -> Record {
        let ended = json!({"at": 1, "from": "draining", "to": state, "why": why});
        serde_json::from_value(json!({
            "id": 1, "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "reason": "marker", "who": "", "why": "",
            "policy": {}, "before": ORIGINAL, "state": state, "transitions": [ended], "removal": null,
            "outcome": {"uncounted": {"forwarded": null, "why": "nobody looked"}}, "boot_id": "boot", "started_at": 1,
            "started_unix": 100,
        }))
        .unwrap()
    }

    fn asked(markers: &[Marker], records: &[Record]) -> Vec<String> {
        asked_of(&listing(), markers, records)
    }

    fn asked_of(listing: &Listing, markers: &[Marker], records: &[Record]) -> Vec<String> {
        let wishes = wishes(markers, listing, records);
        let said = |wish: &Wish| match wish {
            Wish::Drain { key, .. } => format!("drain {}", key.0),
            Wish::Restore { key } => format!("restore {}", key.0),
        };
        wishes.iter().map(said).collect()
    }

    #[test]
    fn a_host_is_drained_in_every_service_once() {
        let both = ["drain udp:10.0.0.1:53", "drain tcp:10.0.0.1:53"];
        assert_eq!(asked(&[marker(100)], &[]), both);
        for state in [State::Draining, State::Removed, State::Restored, State::Yielded] {
            assert_eq!(asked(&[marker(100)], &[drain(state, "so")]), both[1..], "{state}");
        }
        let touched = asked(&[marker(101)], &[drain(State::Restored, "by hand")]);
        assert_eq!(touched, both, "touched after it was restored by hand");
        let rebooted = asked(&[marker(100)], &[drain(State::Yielded, REBOOTED)]);
        assert_eq!(rebooted, both);
    }

    #[test]
    fn a_drain_for_failure_is_taken_over_once() {
        let elsewhere = "tcp:10.0.0.1:53".parse().unwrap();
        let gone = Listing::default();
        for state in [State::Draining, State::Removed] {
            let failing = Record {
                reason: Reason::Failure,
                ..drain(state, "so")
            };
            assert_eq!(
                asked_of(&gone, &[marker(200)], std::slice::from_ref(&failing)),
                if state == State::Removed {
                    vec!["drain udp:10.0.0.1:53"]
                } else {
                    vec![]
                },
                "{state}, and not in the table"
            );
            let listed = asked(&[marker(200)], std::slice::from_ref(&failing));
            assert_eq!(
                listed,
                ["drain udp:10.0.0.1:53", "drain tcp:10.0.0.1:53"],
                "{state}"
            );
            // It had begun long before the file was there.
            let taken = Record {
                taken_over: Some(TakenOver {
                    at: failing.started_at,
                    unix: 201,
                }),
                ..drain(State::Restored, "by hand")
            };
            let other = Record {
                service: elsewhere,
                ..taken.clone()
            };
            assert!(asked(&[marker(200)], &[taken, other]).is_empty());
        }
    }

    #[test]
    fn without_its_file_a_host_is_restored_if_a_file_drained_it() {
        for state in [
            State::Pooled,
            State::Draining,
            State::Quiet,
            State::Drained,
            State::Removed,
        ] {
            assert_eq!(
                asked(&[], &[drain(state, "so")]),
                ["restore udp:10.0.0.1:53"],
                "{state}"
            );
        }
        for state in [State::Restoring, State::Restored, State::Yielded] {
            assert!(asked(&[], &[drain(state, "so")]).is_empty(), "{state}");
        }
        let planned = Record {
            reason: Reason::Planned,
            ..drain(State::Removed, "so")
        };
        assert!(asked(&[], &[planned]).is_empty(), "not a file's to undo");
    }
}
