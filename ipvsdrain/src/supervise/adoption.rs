//! Servers that another hand set to weight 0, where the configuration takes that for a request to drain them.
//!
//! Decides which; never changes anything itself. What is not selected stays foreign: shown, and not touched.

use std::collections::BTreeMap;

use super::kernel::Listing;
use crate::drain::{Adopt, Record};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

type Key = (VirtualService, RealServer);

/// Reading the whole table takes at most this share of the time: drains are stepped by the same hand.
const LARGEST_SHARE: u32 = 20;

/// The weights that servers were seen with, by which one knows what an adopted one is to get back.
#[derive(Debug, Default)]
pub(super) struct Weights {
    seen: BTreeMap<Key, u32>,
    look_again: Moment,
}

impl Weights {
    /// Is it time to read the table again? Of a small one it is at each tick.
    pub(super) fn wants_look(&self, now: Moment) -> bool {
        now >= self.look_again
    }

    /// The table was read, and that took so long.
    pub(super) fn looked(&mut self, from: Moment, until: Moment) {
        self.look_again = from + until.since(from) * LARGEST_SHARE;
    }

    /// Notes the weights in the table, and gives the servers to adopt now with their weight in service, if it is known.
    ///
    /// A server that was dealt with is not adopted again before it was seen with a weight: whoever put it back at
    /// weight 0 would otherwise be fought.
    pub(super) fn select(
        &mut self,
        listing: &Listing,
        adopt: &Adopt,
        records: &BTreeMap<Key, Record>,
    ) -> Vec<(Key, Option<u32>)> {
        let mut found = Vec::new();
        for service in listing {
            for server in &service.servers {
                let key = (service.service, server.server);
                let weight = server.configuration.weight;
                if weight > 0 {
                    self.seen.insert(key, weight);
                    continue;
                }
                let is_free = records
                    .get(&key)
                    .is_none_or(|record| record.is_over() && self.seen.contains_key(&key));
                if is_free && adopt.takes(&service.service) {
                    found.push((key, self.seen.remove(&key)));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_kernel::ORIGINAL;
    use super::super::kernel::{ListedServer, ListedService};
    use super::super::supervisor_tests::request;
    use super::*;
    use crate::drain::{Ground, State, begin};
    use crate::forwarding::Configuration;

    fn at_weight(weight: u32) -> Listing {
        vec![ListedService {
            service: request().service,
            scheduler: "rr".to_owned(),
            servers: vec![ListedServer {
                server: request().server,
                configuration: Configuration { weight, ..ORIGINAL },
                active: 0,
                inactive: 0,
                persistent: 0,
            }],
        }]
    }

    fn adopt(text: &str) -> Adopt {
        toml::from_str(text).unwrap()
    }

    fn record(state: State) -> Record {
        let request = crate::drain::Request {
            shadow: true,
            ..request()
        };
        let table = super::super::fake_kernel::present(5);
        let ground = Ground {
            table: &table,
            service: None,
            capacity: crate::drain::Capacity::default(),
            boot_id: "boot",
            now_unix: 0,
        };
        Record {
            state,
            ..begin(&request, &ground, Moment::from_secs(1)).unwrap()
        }
    }

    #[test]
    fn a_table_that_takes_long_to_read_is_read_less_often() {
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        let mut weights = Weights::default();
        weights.looked(at(1000), at(1001));
        assert!(!weights.wants_look(at(1019)) && weights.wants_look(at(1020)));
        weights.looked(at(2000), at(2300));
        assert!(!weights.wants_look(at(7999)) && weights.wants_look(at(8000)));
    }

    #[test]
    fn only_what_is_selected_and_at_weight_0_is_adopted() {
        let all = adopt("services = [\"all\"]");
        let none = BTreeMap::new();
        let key = (request().service, request().server);
        let mut weights = Weights::default();
        assert_eq!(weights.select(&at_weight(0), &adopt(""), &none), []);
        assert_eq!(
            weights.select(&at_weight(0), &all, &none),
            [(key, None)],
            "nobody knows its weight"
        );
        assert_eq!(weights.select(&at_weight(7), &all, &none), []);
        assert_eq!(weights.select(&at_weight(0), &all, &none), [(key, Some(7))]);
    }

    #[test]
    fn a_server_that_was_dealt_with_must_have_been_back_first() {
        let all = adopt("services = [\"all\"]");
        let key = (request().service, request().server);
        let mut weights = Weights::default();
        let open = BTreeMap::from([(key, record(State::Draining))]);
        assert_eq!(weights.select(&at_weight(0), &all, &open), []);
        let over = BTreeMap::from([(key, record(State::Yielded))]);
        assert_eq!(weights.select(&at_weight(0), &all, &over), []);
        assert_eq!(weights.select(&at_weight(3), &all, &over), []);
        assert_eq!(weights.select(&at_weight(0), &all, &over), [(key, Some(3))]);
    }
}
