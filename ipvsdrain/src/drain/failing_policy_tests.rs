//! The policy about failures: its ranges, and how long a server that fails again and again is held down.

use std::time::Duration;

use super::failing_tests::{down, of_failure, policy, slow};
use super::step_tests::at;
use super::*;

#[test]
fn what_is_out_of_range_is_refused_by_name() {
    let day = FailurePolicy::LONGEST_SECS;
    let set = |name: &str, value: u32| {
        of_failure(|failure| match name {
            "remove_after" => failure.remove_after_secs = value,
            "hold_down" => {
                failure.hold_down_secs = value;
                failure.longest_hold_down_secs = day;
            }
            "longest_hold_down" => {
                failure.hold_down_secs = 0;
                failure.longest_hold_down_secs = value;
            }
            "forgiven_after" => failure.forgiven_after_secs = value,
            _ => failure.confirmations = value,
        })
    };
    for (name, smallest, largest) in [
        ("remove_after", 0, day),
        ("hold_down", 0, day),
        ("longest_hold_down", 0, day),
        ("forgiven_after", 1, day),
        ("confirmations", 1, FailurePolicy::MOST_CONFIRMATIONS),
    ] {
        for good in [smallest, largest] {
            assert_eq!(set(name, good).check(), Ok(()), "{name} {good}");
        }
        for bad in [smallest.checked_sub(1), Some(largest + 1)].into_iter().flatten() {
            let said = set(name, bad).check().unwrap_err().to_string();
            assert!(said.contains(name) && said.contains(&bad.to_string()), "{said}");
        }
    }
    let crossed = of_failure(|failure| failure.longest_hold_down_secs = 9);
    let said = crossed.check().unwrap_err().to_string();
    assert!(said.contains("10 s") && said.contains("9 s"), "{said}");
    let said = slow(Policy::LONGEST_SLOW_START_SECS + 1)
        .check()
        .unwrap_err()
        .to_string();
    assert!(said.contains("slow_start"), "{said}");
}

#[test]
fn hold_down_doubles_with_each_failure_up_to_its_bound() {
    let policy = policy().failure;
    let secs: Vec<u64> = (0..9).map(|level| policy.hold_down(level).as_secs()).collect();
    assert_eq!(secs, [10, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(policy.hold_down(u32::MAX).as_secs(), 600);
    let none = of_failure(|failure| failure.hold_down_secs = 0).failure;
    assert_eq!(none.hold_down(u32::MAX), Duration::ZERO);
}

#[test]
fn a_failure_is_forgiven_after_its_time_and_not_a_second_before() {
    let policy = policy().failure;
    let of_level = |level| Failure {
        level,
        ..Failure::of(&down(0, 1), None, &policy).unwrap()
    };
    for (level, second, left) in [(3, 599, 3), (3, 600, 2), (3, 1199, 2), (3, 1200, 1), (3, 9999, 0)] {
        assert_eq!(of_level(level).level_at(at(second), &policy), left, "{second}");
    }
    let next = |second| {
        Failure::of(&down(second, 1), Some(&of_level(1)), &policy)
            .unwrap()
            .level
    };
    assert_eq!((next(599), next(600)), (2, 1));
}

#[test]
fn what_is_held_against_a_server_ends_with_the_longest_hold_down() {
    let policy = policy().failure;
    let mut failure = Failure::of(&down(0, 1), None, &policy);
    for second in 1..100 {
        failure = Failure::of(&down(second, 1), failure.as_ref(), &policy);
    }
    let level = failure.unwrap().level;
    assert_eq!(policy.hold_down(level).as_secs(), 600);
    assert_eq!(
        policy.hold_down(level - 1).as_secs(),
        320,
        "forgiven one by one from here"
    );

    let always = of_failure(|failure| failure.hold_down_secs = 600).failure;
    let first = Failure::of(&down(0, 1), None, &always);
    assert_eq!(first.as_ref().unwrap().level, 1);
    assert_eq!(
        Failure::of(&down(1, 1), first.as_ref(), &always).unwrap().level,
        1
    );
}
