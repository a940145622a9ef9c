//! How the drains went until now, as far as that has to be remembered from one look to the next.
//!
//! Only of those that are not over, and a minute of each at most.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::drain::{Course, Record};
use crate::moment::Moment;

/// The courses of drains, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Courses(HashMap<u64, Course>);

impl Courses {
    /// Looks at the newest drain of each server.
    pub(super) fn see(&mut self, records: &[Record]) {
        let open = || records.iter().filter(|record| !record.is_over());
        for record in open() {
            self.0.entry(record.id).or_default().see(record);
        }
        if self.0.len() > open().count() {
            let present: HashSet<u64> = open().map(|record| record.id).collect();
            self.0.retain(|id, _| present.contains(id));
        }
    }

    pub(super) fn progress(&self, record: &Record) -> Option<f64> {
        self.0.get(&record.id)?.progress(record)
    }

    pub(super) fn left(&self, record: &Record, now: Moment) -> Option<Duration> {
        self.0.get(&record.id)?.left(record, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{DNS, NOW, drain};
    use super::*;
    use crate::drain::State;

    #[test]
    fn what_is_over_is_forgotten() {
        let drains = |states: [State; 2]| {
            let numbered = states.into_iter().zip(1..);
            let drains = numbered.map(|(state, id)| drain(id, DNS, &format!("10.1.0.{id}:53"), state));
            drains.collect::<Vec<_>>()
        };
        let mut courses = Courses::default();
        let both = drains([State::Drained, State::Drained]);
        courses.see(&both);
        assert_eq!(courses.progress(&both[0]), Some(1.0));
        assert_eq!(courses.left(&both[1], NOW), Some(Duration::ZERO));
        courses.see(&drains([State::Restored, State::Drained]));
        assert_eq!((courses.0.len(), courses.progress(&both[0])), (1, None));
        courses.see(&[]);
        assert!(courses.0.is_empty());
    }
}
