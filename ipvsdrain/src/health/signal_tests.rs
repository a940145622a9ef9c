//! One source's findings, counted: both sides of rise, fall and silence.

use std::time::Duration;

use super::finding::{Finding, Outcome};
use super::signal::{Says, Signal};
use crate::moment::Moment;

pub(super) fn at(secs: u64) -> Moment {
    Moment::from_secs(1000 + secs)
}

pub(super) fn failed() -> Outcome {
    Outcome::Failed("refused".to_owned())
}

pub(super) fn no_result() -> Outcome {
    Outcome::NoResult("no route".to_owned())
}

/// Rise 2, fall 3, stale after 10 s.
pub(super) fn finding(second: u64, outcome: Outcome) -> Finding {
    Finding {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: "10.1.0.5:53".parse().unwrap(),
        source: "check:dns".to_owned(),
        outcome,
        began: at(second),
        at: at(second),
        rise: 2,
        fall: 3,
        stale_after: Duration::from_secs(10),
        stands: false,
    }
}

/// `p` passed, `f` failed, `n` no result, `.` nothing: one a second, from second 0.
fn heard(findings: &str) -> Signal {
    let mut signal = Signal::new(at(0));
    for (second, outcome) in (0..).zip(findings.chars()) {
        match outcome {
            'p' => signal.hear(&finding(second, Outcome::Passed)),
            'f' => signal.hear(&finding(second, failed())),
            'n' => signal.hear(&finding(second, no_result())),
            _ => {}
        }
    }
    signal
}

#[test]
fn a_word_is_earned_by_so_many_in_a_row_and_not_one_less() {
    for (findings, says, since) in [
        ("", Says::Unknown, 0),
        ("p", Says::Unknown, 0),
        ("pp", Says::Up, 1),
        ("ff", Says::Unknown, 0),
        ("fff", Says::Down, 0),
        ("ffpfff", Says::Down, 3),
        ("fpfpfpf", Says::Unknown, 0),
        // A word stays until the opposite one is earned.
        ("ppff", Says::Up, 1),
        ("ppfff", Says::Down, 2),
        ("ppffpff", Says::Up, 1),
        ("fffp", Says::Down, 0),
        ("fffpp", Says::Up, 4),
        ("fffpfff", Says::Down, 0),
        // A checker that stumbles knows no less.
        ("ffnf", Says::Down, 0),
        ("ppn", Says::Up, 1),
        ("pnp", Says::Up, 2),
        ("nnn", Says::Unknown, 0),
        ("nfff", Says::Down, 1),
    ] {
        let signal = heard(findings);
        let now = at(findings.len() as u64);
        assert_eq!(
            (signal.says(now), signal.since()),
            (says, at(since)),
            "{findings}"
        );
    }
}

#[test]
fn a_word_is_good_until_it_is_stale_and_not_a_moment_longer() {
    let signal = heard("fff");
    let stale_at = at(12);
    assert_eq!(signal.stale_at(), stale_at);
    assert_eq!(signal.says(stale_at), Says::Down);
    let after = Moment::from_nanos(stale_at.as_nanos() + 1);
    assert_eq!(signal.says(after), Says::Unknown);
    // No result renews nothing.
    assert_eq!(heard("fffnnn").stale_at(), stale_at);
}

#[test]
fn what_was_counted_before_a_silence_does_not_count_after_it() {
    let silence = |findings: &str, second: u64, outcome: Outcome| {
        let mut signal = heard(findings);
        signal.hear(&finding(second, outcome));
        (signal.says(at(second)), signal.failures(), signal.passes())
    };
    // Stale from second 11 on.
    assert_eq!(silence("ff", 11, failed()), (Says::Down, 3, 0), "in time");
    assert_eq!(silence("ff", 12, failed()), (Says::Unknown, 1, 0));
    assert_eq!(silence("p", 10, Outcome::Passed), (Says::Up, 0, 2), "in time");
    assert_eq!(silence("p", 11, Outcome::Passed), (Says::Unknown, 0, 1));
    assert_eq!(silence("ff", 12, no_result()), (Says::Unknown, 0, 0));
}

#[test]
fn a_finding_that_comes_late_is_dropped() {
    let mut signal = heard("..fff");
    let before = signal.clone();
    for outcome in [Outcome::Passed, failed(), no_result()] {
        signal.hear(&finding(3, outcome));
        assert_eq!(signal, before);
    }
    signal.hear(&finding(4, Outcome::Passed));
    assert_eq!(signal.passes(), 1, "at the same moment is not late");
}

#[test]
fn a_source_that_fell_silent_while_down_must_say_up_before_that_is_forgotten() {
    let down = heard("fff");
    assert!(!down.went_silent_down(at(12)));
    assert!(down.went_silent_down(at(13)));
    assert!(!heard("ff").went_silent_down(at(100)), "it never said so");
    assert!(!heard("fffpp").went_silent_down(at(100)), "its last word was up");

    let mut back = down;
    for (second, outcome) in [(20, no_result()), (21, failed()), (22, Outcome::Passed)] {
        back.hear(&finding(second, outcome));
        assert!(back.went_silent_down(at(second)), "second {second}");
    }
    back.hear(&finding(23, Outcome::Passed));
    assert_eq!(back.says(at(23)), Says::Up);
    assert!(!back.went_silent_down(at(23)));
}
