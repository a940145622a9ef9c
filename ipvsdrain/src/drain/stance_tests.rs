//! Where a server stands between its health and its drains.

use super::failing_tests::{begun, believed, down, quiesced, removed, seen, unknown, up};
use super::step_tests::{ENOUGH, at, request, run};
use super::*;
use crate::health::{Belief, Health};

fn stands(health: &Health, newest: Option<&Record>, weight: Option<u32>) -> Stance {
    stance(health, newest, weight, &FailurePolicy::default(), at(100))
}

fn restored_by_hand() -> Record {
    let asked = restore(&quiesced(Policy::default()), at(50)).unwrap();
    step(&asked, &seen(5, down(0, 9)), at(50)).record
}

/// Failing since second 60; found well last at this second.
fn failing(last_pass: Option<u64>) -> Health {
    Health {
        last_pass: last_pass.map(at),
        ..down(60, 1)
    }
}

#[test]
fn without_a_drain_it_is_as_its_health_says() {
    for (health, weight, expected) in [
        (up(0), None, Stance::Well),
        (unknown(), None, Stance::Unknown("silent".to_owned())),
        (down(0, 1), Some(5), Stance::Failing),
        (believed(Belief::Awaited, down(0, 1)), Some(5), Stance::Awaited),
        (believed(Belief::AllFail, down(0, 1)), Some(5), Stance::AllFail),
        (down(0, 1), Some(0), Stance::Foreign),
        (
            down(0, 1),
            None,
            Stance::Unknown("it is not in the table".to_owned()),
        ),
    ] {
        assert_eq!(stands(&health, None, weight), expected);
    }
    let report = FailurePolicy {
        then: OnFailure::Report,
        ..FailurePolicy::default()
    };
    assert_eq!(
        stance(&down(0, 1), None, Some(5), &report, at(1)),
        Stance::Reported
    );
}

#[test]
fn a_drain_that_is_not_over_says_where_it_stands() {
    for health in [up(0), unknown(), down(0, 1)] {
        assert_eq!(
            stands(&health, Some(&quiesced(Policy::default())), Some(0)),
            Stance::Quiesced
        );
        let planned = Record {
            reason: Reason::Planned,
            ..quiesced(Policy::default())
        };
        assert_eq!(stands(&health, Some(&planned), Some(0)), Stance::Maintenance);
    }
    let needed = Facts {
        capacity: Capacity {
            servers_left: 0,
            ..ENOUGH
        },
        ..seen(5, down(0, 1))
    };
    let needed = run(begun(Policy::default()), &needed, 0, 1).record;
    let stand = stands(&down(0, 1), Some(&needed), Some(5));
    assert!(
        matches!(&stand, Stance::Needed(why) if why.contains("floor")),
        "{stand:?}"
    );
    assert!(stand.is_alarm());
    for (belief, expected) in [
        (Belief::Awaited, Stance::Awaited),
        (Belief::AllFail, Stance::AllFail),
    ] {
        let health = believed(belief, down(0, 1));
        let held = run(begun(Policy::default()), &seen(5, health.clone()), 0, 1).record;
        assert_eq!(stands(&health, Some(&held), Some(5)), expected);
    }
    let back = recover(&removed(Policy::default()), "up again for 10 s", at(99));
    assert_eq!(
        stands(&up(80), Some(&back), None),
        Stance::Returning("up again for 10 s".to_owned())
    );
}

#[test]
fn a_removed_server_comes_back_after_the_hold_down_and_not_a_second_before() {
    let record = removed(Policy::default());
    let out = |health: &Health| stands(health, Some(&record), None);
    assert_eq!(out(&up(91)), Stance::HeldDown(10));
    assert_eq!(out(&up(90)), Stance::Returning("up again for 10 s".to_owned()));
    assert_eq!(out(&down(0, 99)), Stance::Removed);
    assert_eq!(out(&believed(Belief::AllFail, down(0, 99))), Stance::Removed);
    assert_eq!(out(&unknown()), Stance::Unknown("silent".to_owned()));

    let maintenance = take_over(&record, &request(Policy::default()), at(80), 0).unwrap();
    for health in [up(0), down(0, 9), unknown()] {
        assert_eq!(stands(&health, Some(&maintenance), None), Stance::Maintenance);
    }
}

#[test]
fn what_another_hand_or_an_operator_put_back_is_left_alone_until_it_was_well() {
    let out = removed(Policy::default());
    let put_back = put_back_by_another(&out, 5, at(80)).unwrap();
    assert_eq!(put_back.state, State::Yielded);
    assert_eq!(put_back_by_another(&put_back, 5, at(81)), None, "once");
    let kept = take_over(&out, &request(Policy::default()), at(80), 0).unwrap();
    assert_eq!(
        put_back_by_another(&kept, 5, at(81)),
        None,
        "maintenance ends by its own rules"
    );
    let yielded = step(&quiesced(Policy::default()), &seen(3, down(0, 9)), at(50)).record;
    assert_eq!(yielded.state, State::Yielded);
    for record in [restored_by_hand(), yielded] {
        for (last_pass, expected) in [
            (None, Stance::LeftAlone),
            (Some(49), Stance::LeftAlone),
            (Some(50), Stance::LeftAlone),
            (Some(51), Stance::Failing),
        ] {
            assert_eq!(stands(&failing(last_pass), Some(&record), Some(5)), expected);
        }
        assert_eq!(stands(&failing(None), Some(&record), Some(0)), Stance::Foreign);
        assert_eq!(stands(&up(55), Some(&record), Some(5)), Stance::Well);
    }
    assert_eq!(stands(&down(0, 9), Some(&put_back), Some(5)), Stance::LeftAlone);
}

#[test]
fn what_was_put_back_because_it_was_well_is_begun_anew_and_remembered() {
    let well = run(quiesced(Policy::default()), &seen(0, up(20)), 20, 30).record;
    let restored = step(&well, &seen(5, up(20)), at(30)).record;
    assert_eq!(restored.state, State::Restored);
    let health = failing(Some(30));
    assert_eq!(stands(&health, Some(&restored), Some(5)), Stance::Failing);
    let again = failure(&health, Some(&restored), &FailurePolicy::default()).unwrap();
    assert_eq!((again.level, again.recovered, again.quiesced), (2, false, false));
    assert_eq!(failure(&up(0), Some(&restored), &FailurePolicy::default()), None);
}

#[test]
fn the_end_of_maintenance_is_no_word_on_health() {
    let planned = Record {
        reason: Reason::Planned,
        ..restored_by_hand()
    };
    assert_eq!(stands(&failing(None), Some(&planned), Some(5)), Stance::Failing);
}

#[test]
fn every_stance_has_a_word_and_a_sentence() {
    let all = [
        Stance::Well,
        Stance::Unknown("so".to_owned()),
        Stance::Awaited,
        Stance::AllFail,
        Stance::Failing,
        Stance::Needed("so".to_owned()),
        Stance::Reported,
        Stance::LeftAlone,
        Stance::Foreign,
        Stance::Quiesced,
        Stance::Maintenance,
        Stance::Removed,
        Stance::HeldDown(3),
        Stance::Returning("so".to_owned()),
    ];
    for stance in all {
        assert!(!stance.word().is_empty() && stance.to_string().len() > stance.word().len());
        let alarms = matches!(stance, Stance::AllFail | Stance::Needed(_));
        assert_eq!(stance.is_alarm(), alarms);
    }
}
