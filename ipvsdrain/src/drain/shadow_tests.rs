//! Shadow mode, adoption, and the floor at the admission of a drain.

use super::step_tests::{ENOUGH, NEEDED, ask, at, facts, flows, request, run, server};
use super::*;

fn shadow() -> Request {
    Request {
        shadow: true,
        ..request(Policy::default())
    }
}

fn quiesced_by_another() -> Record {
    let asked = ask(&shadow(), &facts(server(5), flows())).unwrap();
    step(&asked, &facts(server(0), flows()), at(0)).record
}

#[test]
fn the_shadow_watches_and_changes_nothing() {
    let asked = ask(&shadow(), &facts(server(5), flows())).unwrap();
    let unwatched = Facts {
        watched: false,
        ..facts(server(5), flows())
    };
    let first = step(&asked, &unwatched, at(0));
    assert_eq!(
        (first.record.state, first.actions),
        (State::Pooled, vec![Action::Watch])
    );
    let drained = run(quiesced_by_another(), &facts(server(0), flows()), 1, NEEDED + 5);
    assert_eq!((drained.record.state, drained.actions), (State::Drained, vec![]));
    assert_eq!(drained.record.would_remove_at, Some(at(NEEDED)));
    assert!(drained.record.borrowed.is_empty());
}

#[test]
fn what_the_other_controllers_removal_cost_is_counted() {
    let lossy = Flows {
        udp: 2,
        arrivals: Some(Arrivals {
            lost: 9,
            ..Arrivals::default()
        }),
        ..flows()
    };
    let live = step(
        &quiesced_by_another(),
        &facts(server(0), Flows { udp: 2, ..lossy }),
        at(3),
    )
    .record;
    let gone = Facts {
        table: Table::NoServer,
        ..facts(server(0), lossy)
    };
    let end = run(live, &gone, 4, 9);
    assert_eq!(end.record.state, State::Yielded);
    assert!(
        end.record
            .transitions
            .last()
            .unwrap()
            .why
            .contains("it would not have been removed yet")
    );
    let settled = step(&end.record, &gone, at(10)).record;
    assert!(
        settled
            .outcome
            .or(end.record.outcome)
            .is_some_and(|outcome| outcome.has_losses())
    );
}

#[test]
fn a_shadow_is_ended_by_a_restore_without_a_change() {
    let ended = restore(&quiesced_by_another(), at(5)).unwrap();
    assert_eq!(ended.state, State::Yielded);
    assert_eq!(
        step(&ended, &facts(server(0), flows()), at(5)).actions,
        [Action::Unwatch]
    );
}

#[test]
fn an_adopted_server_gets_back_the_weight_it_was_seen_with_or_none() {
    let adopted = |weight_before| {
        let request = Request {
            reason: Reason::Adopted,
            weight_before,
            ..request(Policy::default())
        };
        ask(&request, &facts(server(0), flows())).unwrap()
    };
    let known = restore(&adopted(Some(7)), at(1)).unwrap();
    assert_eq!(
        step(&known, &facts(server(0), flows()), at(1)).actions,
        [Action::SetWeight(7)]
    );
    assert!(matches!(
        restore(&adopted(None), at(1)),
        Err(Refusal::WeightUnknown { .. })
    ));
}

#[test]
fn the_floor_refuses_unless_it_is_forced_with_a_reason() {
    let low = Facts {
        capacity: Capacity {
            weight_left: 7,
            ..ENOUGH
        },
        ..facts(server(5), flows())
    };
    let plain = request(Policy::default());
    let said = ask(&plain, &low).unwrap_err().to_string();
    assert!(
        said.contains("2 of 3 servers and 46 %") && said.contains("--force"),
        "{said}"
    );
    let forced = Request {
        forced: true,
        ..plain.clone()
    };
    assert_eq!(ask(&forced, &low), Err(Refusal::ForceNeedsReason));
    let reasoned = Request {
        why: "it burns".to_owned(),
        ..forced
    };
    assert!(ask(&reasoned, &low).unwrap().forced);
    let at_zero = Facts {
        capacity: low.capacity,
        ..facts(server(0), flows())
    };
    assert!(ask(&plain, &at_zero).is_ok(), "it takes no new flow already");
}
