//! Which loops there are, when each is due, and who is tried because another one failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::job::Job;
use super::schedule::{Ended, Run, Schedule};
use super::settings::Check;
use super::wanted::{Key, Wanted, wanted};
use crate::drain::{Reason, Record, State};
use crate::forwarding::{Configuration, Forwarding};
use crate::health::Outcome;
use crate::moment::Moment;
use crate::supervise::{ListedServer, ListedService, Listing};

const START: Moment = Moment::from_secs(1000);
const SERVICE: &str = "tcp:10.0.0.1:80";

fn job(more: &str) -> Arc<Job> {
    let check: Check =
        toml::from_str(&format!("match = {{ protocol = \"tcp\" }}\ntcp = {{}}\n{more}")).unwrap();
    Arc::new(Job::of(&check).unwrap())
}

fn configuration(weight: u32) -> Configuration {
    Configuration {
        forwarding: Forwarding::DirectRoute,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// A service with servers of these weights: 10.1.0.1:80, 10.1.0.2:80 and so on.
fn listing(service: &str, weights: &[u32]) -> Listing {
    let listed = |(number, weight): (usize, &u32)| ListedServer {
        server: server(number + 1).parse().unwrap(),
        configuration: configuration(*weight),
        active: 0,
        inactive: 0,
        persistent: 0,
    };
    vec![ListedService {
        service: service.parse().unwrap(),
        scheduler: "rr".to_owned(),
        servers: weights.iter().enumerate().map(listed).collect(),
    }]
}

fn server(number: usize) -> String {
    format!("10.1.0.{number}:80")
}

fn drain(reason: Reason, state: State) -> Record {
    serde_json::from_value(json!({
        "id": 1, "service": SERVICE, "server": server(9), "reason": reason, "who": "", "why": "", "policy": {},
        "before": configuration(1), "state": state, "transitions": [], "removal": null, "boot_id": "boot",
        "started_at": 1, "started_unix": 100,
    }))
    .unwrap()
}

fn servers(wanted: &Wanted) -> Vec<String> {
    wanted.keys().map(|key| key.server.to_string()).collect()
}

/// This many servers with this check.
fn many(job: &Arc<Job>, servers: usize) -> Wanted {
    wanted(
        std::slice::from_ref(job),
        &listing(SERVICE, &vec![1; servers]),
        &[],
    )
}

#[test]
fn every_server_of_a_service_that_matches_is_tried_and_those_that_failed_out_of_the_table() {
    let job = [job("")];
    let table = [listing(SERVICE, &[1, 0]), listing("udp:10.0.0.1:80", &[1])].concat();
    assert_eq!(servers(&wanted(&job, &table, &[])), [server(1), server(2)]);
    let also = |reason, state| servers(&wanted(&job, &table, &[drain(reason, state)])).len() == 3;
    assert!(also(Reason::Failure, State::Removed));
    assert!(!also(Reason::Failure, State::Restored));
    assert!(!also(Reason::Planned, State::Removed));
    assert!(wanted(&[], &table, &[]).is_empty());
}

/// A result that came this long after the try began.
fn end(run: &Run, began: Moment, took: u64, outcome: &Outcome) -> Ended {
    Ended {
        run: run.clone(),
        waited: ms(0),
        began,
        at: began + ms(took),
        outcome: outcome.clone(),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn failed() -> Outcome {
    Outcome::Failed("connection refused".to_owned())
}

fn names(runs: &[Run]) -> Vec<String> {
    runs.iter().map(|run| run.key.server.to_string()).collect()
}

#[test]
fn tries_do_not_run_in_step() {
    let wanted = many(&job("interval_ms = 1000\njitter_percent = 20"), 1);
    for (random, first, pause) in [(0, 0, 800), (400, 400, 1200), (401, 401, 800), (999, 999, 997)] {
        let mut schedule = Schedule::default();
        assert!(schedule.want(&wanted, START, || random).is_empty());
        let due = START + ms(first);
        assert_eq!(schedule.next(), Some(due), "{random}");
        assert!(schedule.due(Moment::from_nanos(due.as_nanos() - 1)).is_empty());
        let run = schedule.due(due).remove(0);
        assert_eq!(schedule.next(), None, "it is being tried");
        assert!(schedule.ended(&end(&run, due, 1, &Outcome::Passed), random));
        assert_eq!(schedule.next(), Some(due + ms(pause)), "{random}");
    }
}

#[test]
fn a_try_that_took_longer_than_the_pause_is_followed_by_the_next_at_once() {
    let mut schedule = Schedule::default();
    schedule.want(&many(&job("jitter_percent = 0"), 1), START, || 0);
    let run = schedule.due(START).remove(0);
    schedule.ended(&end(&run, START, 2500, &Outcome::Passed), 0);
    assert_eq!(schedule.next(), Some(START + ms(2500)));
}

#[test]
fn a_check_that_has_not_changed_goes_on_and_another_one_begins_anew() {
    let mut schedule = Schedule::default();
    let (old, same, new) = (job(""), job(""), job("rise = 3"));
    schedule.want(&many(&old, 2), START, || 500);
    let later = START + ms(500);
    let runs = schedule.due(later);
    schedule.ended(&end(&runs[0], later, 1, &Outcome::Passed), 0);
    let due = schedule.next();
    assert!(schedule.want(&many(&same, 2), later, || 7).is_empty());
    assert_eq!(schedule.next(), due);
    // One is waiting and one is being tried.
    assert_eq!(schedule.want(&many(&new, 2), later, || 7), [runs[1].number]);
    assert_eq!(schedule.next(), Some(later + ms(7)));
    assert!(
        !schedule.ended(&end(&runs[1], later, 9, &failed()), 0),
        "nobody asks any more"
    );
    assert_eq!(schedule.due(later + ms(7)).len(), 2);
    assert!(
        !schedule.ended(&end(&runs[1], later, 9, &failed()), 0),
        "another try is awaited"
    );
    assert_eq!(schedule.want(&Wanted::new(), later, || 0).len(), 2);
    assert_eq!(
        (schedule.next(), schedule.due(START + ms(99_999)).len()),
        (None, 0)
    );
}

/// Servers that are due 100 ms after one another, and have passed once; and the moment of the second round.
fn passed_once(job: &Arc<Job>, servers: usize) -> (Schedule, Moment) {
    let mut schedule = Schedule::default();
    let mut first = 0;
    schedule.want(&many(job, servers), START, || {
        first += 100;
        first - 100
    });
    while let Some(due) = schedule.next().filter(|due| *due < START + ms(1000)) {
        for run in schedule.due(due) {
            schedule.ended(&end(&run, due, 1, &Outcome::Passed), 0);
        }
    }
    (schedule, START + ms(1000))
}

const EACH_SECOND: &str = "interval_ms = 1000\njitter_percent = 0\nrise = 1\n";

#[test]
fn a_failure_asks_those_for_witnesses_who_do_not_know_yet() {
    let (mut schedule, round) = passed_once(&job(EACH_SECOND), 4);
    let hanging = schedule.due(round).remove(0);
    let second = schedule.due(round + ms(100)).remove(0);
    schedule.ended(&end(&second, round + ms(100), 1, &Outcome::Passed), 0);
    let third = schedule.due(round + ms(200));
    assert_eq!(names(&third), [server(3)]);
    schedule.ended(&end(&hanging, round, 250, &failed()), 0);
    // The second passed since, the third is being tried.
    assert_eq!(names(&schedule.due(round + ms(250))), [server(4)]);
}

#[test]
fn whoever_goes_on_failing_disturbs_nobody() {
    for (fall, disturbing) in [(1, 1), (3, 3)] {
        let (mut schedule, mut now) = passed_once(&job(&format!("{EACH_SECOND}fall = {fall}")), 2);
        let mut called = 0;
        for _ in 0..6 {
            let broken = schedule
                .due(now)
                .into_iter()
                .find(|run| run.key.server.to_string() == server(1));
            schedule.ended(&end(&broken.unwrap(), now, 1, &failed()), 0);
            let called_now = schedule.due(now + ms(1));
            called += called_now.len();
            // Called or not, it is tried in mid-round, so that a call would always come before its time.
            let middle = now + ms(500);
            let witness = called_now
                .into_iter()
                .next()
                .or_else(|| schedule.due(middle).pop());
            schedule.ended(&end(&witness.unwrap(), middle, 1, &Outcome::Passed), 0);
            now = now + ms(1000);
        }
        assert_eq!(called, disturbing, "fall = {fall}");
    }
}

#[test]
fn who_does_not_count_as_up_is_no_witness() {
    // Each has passed once, of two times that it takes.
    let (mut schedule, round) = passed_once(&job(&EACH_SECOND.replace("rise = 1", "rise = 2")), 2);
    let first = schedule.due(round).remove(0);
    schedule.ended(&end(&first, round, 1, &failed()), 0);
    assert!(schedule.due(round + ms(1)).is_empty());
    // Who was never tried may well be up.
    let mut schedule = Schedule::default();
    let mut first = [0, 900].into_iter();
    schedule.want(&many(&job(EACH_SECOND), 2), START, || first.next().unwrap());
    let run = schedule.due(START).remove(0);
    schedule.ended(&end(&run, START, 1, &failed()), 0);
    assert_eq!(names(&schedule.due(START + ms(1))), [server(2)]);
}

#[test]
fn witnesses_are_of_the_same_service_and_check() {
    let jobs = [job(EACH_SECOND), job(&format!("{EACH_SECOND}name = \"other\""))];
    let table = [listing(SERVICE, &[1]), listing("tcp:10.0.0.2:80", &[1])].concat();
    let mut schedule = Schedule::default();
    let mut first = [0, 900, 900, 900].into_iter();
    schedule.want(&wanted(&jobs, &table, &[]), START, || first.next().unwrap());
    let run = schedule.due(START).remove(0);
    schedule.ended(&end(&run, START, 1, &failed()), 0);
    assert!(schedule.due(START + ms(899)).is_empty());
}

#[test]
fn no_result_calls_nobody() {
    let (mut schedule, round) = passed_once(&job(EACH_SECOND), 2);
    let run = schedule.due(round).remove(0);
    schedule.ended(
        &end(
            &run,
            round,
            1,
            &Outcome::NoResult("too many open files".to_owned()),
        ),
        0,
    );
    assert!(schedule.due(round + ms(1)).is_empty());
}

proptest! {
    /// `rise` and `fall` stand for time: nobody gets there sooner because others fail.
    #[test]
    fn a_server_that_does_not_count_as_up_is_never_tried_out_of_turn(
        outcomes in prop::collection::vec((any::<bool>(), 1_u64..1500, any::<u32>()), 1..300),
        rise in 1_u32..4,
        fall in 1_u32..4,
    ) {
        let job = job(&format!("interval_ms = 1000\njitter_percent = 10\nrise = {rise}\nfall = {fall}"));
        let mut schedule = Schedule::default();
        let mut random = outcomes.iter().cycle().map(|(_, _, random)| *random);
        schedule.want(&many(&job, 5), START, || random.next().unwrap());
        // When each was tried last, and how often in a row it passed then.
        let mut seen: BTreeMap<Key, (Moment, u32)> = BTreeMap::new();
        let mut open: Vec<Ended> = Vec::new();
        for (passes, took, random) in &outcomes {
            let next_end = open.iter().map(|ended| ended.at).min();
            let now = [next_end, schedule.next()].into_iter().flatten().min().unwrap();
            let over: Vec<Ended> = open.extract_if(.., |ended| ended.at <= now).collect();
            for ended in over {
                prop_assert!(schedule.ended(&ended, *random));
            }
            for run in schedule.due(now) {
                let outcome = if *passes { Outcome::Passed } else { failed() };
                let before = seen.get(&run.key).copied();
                if let Some((last, in_a_row)) = before {
                    prop_assert!(in_a_row >= rise || now - last >= ms(900), "{in_a_row} {last:?} {now:?}");
                }
                let in_a_row = if *passes { before.map_or(0, |(_, before)| before) + 1 } else { 0 };
                seen.insert(run.key.clone(), (now, in_a_row));
                open.push(end(&run, now, *took, &outcome));
            }
        }
    }
}
