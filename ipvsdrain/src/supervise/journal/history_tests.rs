//! What the history finds, and that it finds it by an index.

use super::{Filter, Journal};
use crate::drain::{Record, State};
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::supervisor_tests::{block_on, request, start};

/// Six drains: of two services and three servers, a minute apart, the last one under way.
fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let record = block_on(start(&FakeKernel::new(), &path).begin(&request())).unwrap();
    let path = folder.path().join("history");
    let mut journal = Journal::open(&path).unwrap();
    for number in 0..6_u64 {
        let record = Record {
            id: 0,
            service: ["udp:10.0.0.1:53", "fwmark:7"][usize::from(number >= 3)]
                .parse()
                .unwrap(),
            server: format!("10.1.0.{}:53", number % 3).parse().unwrap(),
            state: if number < 5 {
                State::Restored
            } else {
                State::Draining
            },
            started_unix: 1_790_000_000 + 60 * number,
            ..record.clone()
        };
        assert_eq!(journal.save(&record).unwrap(), number + 1);
    }
    (folder, journal)
}

#[test]
fn drains_are_found_by_name_and_time_newest_first() {
    let (_folder, journal) = journal();
    let ids = |filter: Filter| -> Vec<u64> {
        let found = journal.history(&filter).unwrap();
        found.iter().map(|record| record.id).collect()
    };
    let all = Filter::default();
    assert_eq!(ids(all), [6, 5, 4, 3, 2, 1], "over or not");
    assert_eq!(ids(Filter { limit: 2, ..all }), [6, 5]);
    let service = Some("udp:10.0.0.1:53".parse().unwrap());
    let server = Some("10.1.0.1:53".parse().unwrap());
    assert_eq!(ids(Filter { service, ..all }), [3, 2, 1]);
    assert_eq!(ids(Filter { server, ..all }), [5, 2]);
    assert_eq!(
        ids(Filter {
            service,
            server,
            ..all
        }),
        [2]
    );
    let (from, until) = (Some(1_790_000_060), Some(1_790_000_240));
    assert_eq!(ids(Filter { from, ..all }), [6, 5, 4, 3, 2], "from then on");
    assert_eq!(ids(Filter { from, until, ..all }), [4, 3, 2], "up to before then");
    let latest_of_all = Some(u64::MAX);
    assert_eq!(
        ids(Filter {
            until: latest_of_all,
            limit: u32::MAX,
            ..all
        })
        .len(),
        6
    );
}

#[test]
fn whatever_is_asked_an_index_answers() {
    let (_folder, journal) = journal();
    let service = Some("udp:10.0.0.1:53".parse().unwrap());
    let server = Some("10.1.0.1:53".parse().unwrap());
    let all = Filter::default();
    for filter in [
        Filter { service, ..all },
        Filter { server, ..all },
        all,
        Filter { from: Some(1), ..all },
        Filter {
            until: Some(1),
            ..all
        },
        Filter {
            service,
            server,
            from: Some(1),
            until: Some(2),
            ..all
        },
    ] {
        let (query, values) = filter.query();
        let mut explained = journal
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .unwrap();
        let plan: Vec<String> = explained
            .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let way = if filter == all { "SCAN" } else { "SEARCH" };
        assert!(
            plan[0].starts_with(&format!("{way} drains USING INDEX")),
            "{filter:?}: {plan:?}"
        );
        assert!(
            plan.len() == 1 || filter.service.is_some() && filter.server.is_some(),
            "nothing is sorted but the drains of one real server: {filter:?}: {plan:?}"
        );
    }
}
