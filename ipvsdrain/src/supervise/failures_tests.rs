//! The supervisor with the real journal, told of a server that fails and recovers: every call that changes something
//! fails once, and the daemon dies before and after each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use super::fake_kernel::{Death, FakeKernel, ORIGINAL, Trouble};
use super::journal::Journal;
use super::request::RequestError;
use super::supervisor::Supervisor;
use super::supervisor_tests::{block_on, pass, request, shown, start};
use crate::drain::{Reason, Record, Refusal, Rules, Stance, State};
use crate::forwarding::Configuration;
use crate::health::{Finding, Outcome};
use crate::identity::RealServer;

fn passed() -> Outcome {
    Outcome::Passed
}

fn failed() -> Outcome {
    Outcome::Failed("refused".to_owned())
}

/// About `10.1.0.LAST:53`; the one that is drained is .5, and .6 and .7 are its neighbours.
fn finding(kernel: &FakeKernel, last: u8, outcome: Outcome) -> Finding {
    Finding {
        service: request().service,
        server: RealServer(([10, 1, 0, last], 53).into()),
        source: "check:dns".to_owned(),
        outcome,
        began: kernel.0.borrow().now,
        at: kernel.0.borrow().now,
        rise: 1,
        fall: 1,
        stale_after: Duration::from_secs(5),
        stands: false,
    }
}

fn hear(supervisor: &mut Supervisor<FakeKernel>, kernel: &FakeKernel, last: u8, outcome: Outcome) {
    block_on(supervisor.hear(&finding(kernel, last, outcome)));
}

fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

fn brisk() -> Rules {
    rules("[policy.failure]\nremove_after_secs = 30\n")
}

/// For `secs` seconds .5 is found like this, and its neighbour well.
fn found(supervisor: &mut Supervisor<FakeKernel>, kernel: &FakeKernel, outcome: &Outcome, secs: u32) {
    for _ in 0..secs {
        pass(supervisor, kernel, 1);
        hear(supervisor, kernel, 6, passed());
        hear(supervisor, kernel, 5, outcome.clone());
    }
}

fn stance(supervisor: &Supervisor<FakeKernel>, kernel: &FakeKernel, last: u8) -> Stance {
    let server = finding(kernel, last, passed()).server;
    let shown = supervisor.failures.shown(kernel.0.borrow().now);
    let of_it = shown.into_iter().find(|health| health.server == server);
    of_it.expect("somebody spoke of it").stance
}

fn changes(kernel: &FakeKernel) -> Vec<String> {
    kernel.0.borrow().changes.clone()
}

/// Well for 5 s, fails until second 60, and is well until the end; with a new daemon wherever one dies.
fn fails_and_recovers(kernel: &FakeKernel, journal: &Path, rules: &Rules) -> Record {
    let mut daemon: Option<Supervisor<FakeKernel>> = None;
    for second in 0..120 {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let supervisor = daemon.get_or_insert_with(|| start(kernel, journal).with_rules(rules.clone()));
            let outcome = if (5..60).contains(&second) {
                failed()
            } else {
                passed()
            };
            hear(supervisor, kernel, 6, passed());
            hear(supervisor, kernel, 5, outcome);
            block_on(supervisor.step_all());
        }));
        if let Err(thrown) = ran {
            assert!(thrown.is::<Death>(), "only the host kills the daemon here");
            daemon = None;
            kernel.0.borrow_mut().watched_since = None;
        }
        kernel.pass_a_second();
    }
    drop(daemon);
    Journal::open(journal).unwrap().latest().unwrap().pop().unwrap()
}

fn calm(rules: &Rules) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    fails_and_recovers(&kernel, &folder.path().join("journal"), rules);
    changes(&kernel)
}

const OUT: [&str; 6] = [
    "watch",
    "weight 0",
    "expire_nodest true",
    "remove",
    "expire_nodest false",
    "unwatch",
];

#[test]
fn a_server_that_fails_is_quiesced_removed_and_put_back() {
    let mut expected: Vec<&str> = OUT.to_vec();
    expected.push("add");
    assert_eq!(calm(&brisk()), expected);
    expected.extend(["weight 2", "weight 3", "weight 4", "weight 5"]);
    let slow = rules("[policy]\nslow_start_secs = 10\n[policy.failure]\nremove_after_secs = 30\n");
    assert_eq!(calm(&slow), expected);
}

#[test]
fn trouble_at_any_boundary_loses_nothing_of_a_server_that_fails_and_recovers() {
    let policies = [
        "[policy.failure]\nremove_after_secs = 30\n",
        "[policy.failure]\nremove_after_secs = 3000\n",
        "[policy]\nslow_start_secs = 10\n[policy.failure]\nremove_after_secs = 30\n",
    ];
    for rules in policies.map(rules) {
        for trouble in [Trouble::Fails, Trouble::DiesBefore, Trouble::DiesAfter] {
            for at in 0..calm(&rules).len() {
                let folder = tempfile::tempdir().unwrap();
                let kernel = FakeKernel::new();
                kernel.0.borrow_mut().trouble = Some((at, trouble));
                let record = fails_and_recovers(&kernel, &folder.path().join("journal"), &rules);
                let host = kernel.0.borrow();
                let story = format!("{trouble:?} at {at}: {:?}", host.changes);
                assert_eq!(record.state, State::Restored, "{story}");
                assert_eq!(host.server, Some(ORIGINAL), "weight and thresholds: {story}");
                assert_eq!(record.before, ORIGINAL, "{story}");
                assert!(!host.expire_nodest && record.is_over(), "{story}");
                assert_eq!(host.watched_since, None, "{story}");
                assert!(record.failure.unwrap().recovered, "{story}");
            }
        }
    }
}

/// A daemon with a journal, and its host.
fn daemon(rules: Rules) -> (tempfile::TempDir, FakeKernel, Supervisor<FakeKernel>) {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let supervisor = start(&kernel, &folder.path().join("journal")).with_rules(rules);
    (folder, kernel, supervisor)
}

#[test]
fn a_failure_is_acted_on_as_soon_as_a_neighbour_is_found_well() {
    let (_folder, kernel, mut supervisor) = daemon(Rules::default());
    hear(&mut supervisor, &kernel, 6, passed());
    kernel.pass_a_second();
    hear(&mut supervisor, &kernel, 5, failed());
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::Awaited);
    assert!(changes(&kernel).is_empty());
    kernel.pass_a_second();
    hear(&mut supervisor, &kernel, 6, passed());
    assert_eq!(
        changes(&kernel),
        ["watch", "weight 0"],
        "without waiting for a tick"
    );
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::Quiesced);
}

#[test]
fn where_all_fail_nothing_is_done() {
    let (_folder, kernel, mut supervisor) = daemon(brisk());
    for _ in 0..100 {
        pass(&mut supervisor, &kernel, 1);
        for last in 5..8 {
            hear(&mut supervisor, &kernel, last, failed());
        }
    }
    assert!(changes(&kernel).is_empty());
    for last in 5..8 {
        assert!(
            matches!(stance(&supervisor, &kernel, last), Stance::AllFail),
            "{last}"
        );
    }
}

#[test]
fn a_server_that_is_needed_keeps_its_weight_until_it_is_not() {
    let (_folder, kernel, mut supervisor) = daemon(rules("[floor]\nservers = 3\n"));
    found(&mut supervisor, &kernel, &failed(), 10);
    assert!(changes(&kernel).is_empty());
    let stand = stance(&supervisor, &kernel, 5);
    assert!(
        matches!(&stand, Stance::Needed(why) if why.contains("floor")),
        "{stand}"
    );
    supervisor = supervisor.with_rules(Rules::default());
    found(&mut supervisor, &kernel, &failed(), 1);
    assert_eq!(changes(&kernel), ["watch", "weight 0"]);
}

#[test]
fn weight_0_by_another_hand_is_foreign() {
    let (_folder, kernel, mut supervisor) = daemon(brisk());
    kernel.0.borrow_mut().server = Some(Configuration {
        weight: 0,
        ..ORIGINAL
    });
    found(&mut supervisor, &kernel, &failed(), 50);
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::Foreign);
    found(&mut supervisor, &kernel, &passed(), 50);
    assert!(changes(&kernel).is_empty());
}

#[test]
fn whoever_restores_a_failing_server_is_not_overruled() {
    let (_folder, kernel, mut supervisor) = daemon(brisk());
    found(&mut supervisor, &kernel, &failed(), 10);
    block_on(supervisor.restore((request().service, request().server))).unwrap();
    assert_eq!(kernel.0.borrow().server, Some(ORIGINAL));
    found(&mut supervisor, &kernel, &failed(), 50);
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::LeftAlone);
    assert_eq!(kernel.0.borrow().server, Some(ORIGINAL));
    found(&mut supervisor, &kernel, &passed(), 2);
    found(&mut supervisor, &kernel, &failed(), 2);
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::Quiesced, "a new failure");
}

#[test]
fn what_another_hand_put_back_is_not_fought() {
    let (_folder, kernel, mut supervisor) = daemon(brisk());
    found(&mut supervisor, &kernel, &failed(), 50);
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::Removed);
    kernel.0.borrow_mut().server = Some(ORIGINAL);
    found(&mut supervisor, &kernel, &failed(), 50);
    assert_eq!(stance(&supervisor, &kernel, 5), Stance::LeftAlone);
    assert_eq!(changes(&kernel), OUT);
}

#[test]
fn maintenance_takes_over_and_health_changes_nothing_until_it_ends() {
    for secs in [10, 50] {
        let (_folder, kernel, mut supervisor) = daemon(brisk());
        found(&mut supervisor, &kernel, &failed(), secs);
        let record = block_on(supervisor.begin(&request())).unwrap();
        assert_eq!((record.reason, record.who.as_str()), (Reason::Planned, "tester"));
        found(&mut supervisor, &kernel, &passed(), 100);
        assert_eq!(stance(&supervisor, &kernel, 5), Stance::Maintenance);
        assert_eq!(kernel.0.borrow().server, None, "drained as was asked");
        block_on(supervisor.restore((request().service, request().server))).unwrap();
        found(&mut supervisor, &kernel, &passed(), 10);
        assert_eq!(kernel.0.borrow().server, Some(ORIGINAL));
        assert_eq!(shown(&supervisor).id, record.id, "it is one drain");
    }
}

#[test]
fn a_failure_in_maintenance_does_nothing() {
    let (_folder, kernel, mut supervisor) = daemon(rules("[policy]\nthen = \"keep\"\n"));
    let asked = crate::drain::Request {
        policy: supervisor
            .rules
            .policy(&request().service, &crate::drain::Changes::default())
            .unwrap(),
        ..request()
    };
    block_on(supervisor.begin(&asked)).unwrap();
    found(&mut supervisor, &kernel, &failed(), 200);
    assert_eq!(shown(&supervisor).reason, Reason::Planned);
    assert_eq!(changes(&kernel), ["watch", "weight 0"]);
    found(&mut supervisor, &kernel, &passed(), 100);
    assert_eq!(kernel.0.borrow().server.unwrap().weight, 0);
}

#[test]
fn silence_removes_nothing_and_restores_nothing() {
    let (folder, kernel, mut supervisor) = daemon(brisk());
    found(&mut supervisor, &kernel, &failed(), 10);
    let before = changes(&kernel);
    pass(&mut supervisor, &kernel, 300);
    assert_eq!(changes(&kernel), before);
    // The journal remembers, the board does not.
    let journal = folder.path().join("journal");
    drop(supervisor);
    let mut supervisor = start(&kernel, &journal).with_rules(brisk());
    pass(&mut supervisor, &kernel, 300);
    assert_eq!(changes(&kernel), before);
    found(&mut supervisor, &kernel, &passed(), 12);
    assert_eq!(kernel.0.borrow().server, Some(ORIGINAL));
}

#[test]
fn what_was_removed_before_a_reboot_is_not_put_into_the_new_table() {
    let (folder, kernel, mut supervisor) = daemon(brisk());
    found(&mut supervisor, &kernel, &failed(), 60);
    assert_eq!(shown(&supervisor).state, State::Removed);
    drop(supervisor);
    let journal = Journal::open(&folder.path().join("journal")).unwrap();
    let mut supervisor = Supervisor::resume(kernel.clone(), journal, "another".to_owned(), || 0);
    found(&mut supervisor, &kernel, &passed(), 60);
    assert_eq!(kernel.0.borrow().server, None);
    assert_eq!(changes(&kernel), OUT);
}

#[test]
fn a_report_about_a_server_that_is_not_there_is_refused_unless_we_removed_it() {
    let (_folder, kernel, mut supervisor) = daemon(brisk());
    let report = finding(&kernel, 5, failed());
    let shown = block_on(supervisor.report(&report))
        .unwrap()
        .expect("it is spoken of");
    assert_eq!(shown.words.len(), 1);
    let withdrawn = finding(&kernel, 5, Outcome::Withdrawn);
    assert_eq!(block_on(supervisor.report(&withdrawn)).unwrap(), None);

    found(&mut supervisor, &kernel, &failed(), 50);
    assert_eq!(kernel.0.borrow().server, None);
    block_on(supervisor.report(&finding(&kernel, 5, failed()))).unwrap();

    let (_folder, kernel, mut supervisor) = daemon(brisk());
    kernel.0.borrow_mut().server = None;
    let refused = block_on(supervisor.report(&finding(&kernel, 5, failed())));
    assert!(matches!(
        refused,
        Err(RequestError::Refused(Refusal::NoServer { .. }))
    ));
}
