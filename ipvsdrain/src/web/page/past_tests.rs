//! What is remembered of drains, without a clock.

use std::time::Duration;

use super::past::{KEPT, MOST_DRAINS, Past};
use super::scene_tests::{drain, removed, seen};
use crate::drain::{Observed, Record, State};
use crate::moment::Moment;

fn looked(id: u64, at: Moment) -> Record {
    Record {
        observed: Observed {
            at: Some(at),
            ..seen(None, None, 0)
        },
        ..drain(id, "10.1.0.5:53", State::Draining)
    }
}

fn points(past: &Past, id: u64) -> usize {
    let written: serde_json::Value = serde_json::from_str(&past.written()).unwrap();
    written[id.to_string()].as_array().map_or(0, Vec::len)
}

#[test]
fn a_point_a_second_for_five_minutes_and_no_more() {
    let mut past = Past::default();
    for half in 0..1200 {
        past.see(&[looked(
            7,
            Moment::from_secs(1000) + Duration::from_millis(500 * half),
        )]);
    }
    assert_eq!(points(&past, 7), KEPT);
    let newest = past.newest(7).unwrap();
    assert!((newest.0 - 1599.0).abs() < 0.6, "{newest:?}");
    assert_eq!(
        (newest.1, newest.2, newest.3),
        (None, None, None),
        "what was not seen is not 0"
    );
}

#[test]
fn what_was_not_looked_at_again_is_no_new_point() {
    let mut past = Past::default();
    for _ in 0..3 {
        past.see(&[looked(7, Moment::from_secs(1000))]);
    }
    assert_eq!(points(&past, 7), 1);
}

#[test]
fn a_drain_that_is_over_is_forgotten_and_of_very_many_some_are_not_remembered() {
    let mut past = Past::default();
    let id = removed(Some(0)).id;
    past.see(&[looked(id, Moment::from_secs(1000))]);
    assert_eq!(points(&past, id), 1);
    past.see(&[removed(Some(0))]);
    assert_eq!(points(&past, id), 0);
    let many: Vec<Record> = (0..200).map(|id| looked(id, Moment::from_secs(1000))).collect();
    past.see(&many);
    let written: serde_json::Value = serde_json::from_str(&past.written()).unwrap();
    assert_eq!(written.as_object().unwrap().len(), MOST_DRAINS);
}
