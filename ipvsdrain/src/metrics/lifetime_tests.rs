//! What is counted of drains that end, and how often.

use super::everything::scene;
use super::fixture::over;
use super::{Format, Lifetime, write};
use crate::drain::{Record, State};

/// The samples that are not 0, but for those of the histogram's buckets.
fn counted(lifetime: &Lifetime) -> Vec<String> {
    let text = write(&lifetime.families(), Format::Prometheus);
    let is_news = |line: &&str| !line.starts_with('#') && !line.contains("_bucket{") && !line.ends_with(" 0");
    text.lines().filter(is_news).map(str::to_owned).collect()
}

#[test]
fn everything_is_there_from_the_start_with_0() {
    let lifetime = Lifetime::new().unwrap();
    assert_eq!(counted(&lifetime), Vec::<String>::new());
    let text = write(&lifetime.families(), Format::Prometheus);
    for sample in [
        "ipvsdrain_drains_finished_total{reason=\"failure\",state=\"removed\",verdict=\"lossy\"} 0\n",
        "ipvsdrain_drain_duration_seconds_count{reason=\"planned\",state=\"restored\"} 0\n",
        "ipvsdrain_failures_total{source=\"report\"} 0\n",
        "ipvsdrain_packets_lost_total 0\n",
        "ipvsdrain_flows_rescheduled_total 0\n",
    ] {
        assert!(text.contains(sample), "{sample}");
    }
}

#[test]
fn an_end_is_counted_once_and_with_what_it_cost() {
    let mut lifetime = Lifetime::new().unwrap();
    lifetime.see(&[]);
    for _ in 0..3 {
        lifetime.see(&over());
    }
    insta::assert_snapshot!(counted(&lifetime).join("\n"), @r#"
    ipvsdrain_drain_duration_seconds_sum{reason="adopted",state="removed"} 40
    ipvsdrain_drain_duration_seconds_count{reason="adopted",state="removed"} 1
    ipvsdrain_drain_duration_seconds_sum{reason="failure",state="yielded"} 40
    ipvsdrain_drain_duration_seconds_count{reason="failure",state="yielded"} 1
    ipvsdrain_drain_duration_seconds_sum{reason="planned",state="removed"} 80
    ipvsdrain_drain_duration_seconds_count{reason="planned",state="removed"} 2
    ipvsdrain_drain_duration_seconds_sum{reason="planned",state="restored"} 40
    ipvsdrain_drain_duration_seconds_count{reason="planned",state="restored"} 1
    ipvsdrain_drains_finished_total{reason="adopted",state="removed",verdict="uncounted"} 1
    ipvsdrain_drains_finished_total{reason="failure",state="yielded",verdict="not_removed"} 1
    ipvsdrain_drains_finished_total{reason="planned",state="removed",verdict="lossless"} 1
    ipvsdrain_drains_finished_total{reason="planned",state="removed",verdict="lossy"} 1
    ipvsdrain_drains_finished_total{reason="planned",state="restored",verdict="not_removed"} 1
    ipvsdrain_failures_total{source="check"} 1
    ipvsdrain_flows_rescheduled_total 2
    ipvsdrain_packets_lost_total 1
    "#);
}

#[test]
fn what_was_over_at_the_first_look_is_not_counted() {
    let mut lifetime = Lifetime::new().unwrap();
    lifetime.see(&over());
    lifetime.see(&over());
    assert_eq!(counted(&lifetime), Vec::<String>::new());
    // Its successor is.
    let mut next = over();
    next[3].id = 99;
    lifetime.see(&next);
    let counted = counted(&lifetime);
    assert_eq!(counted.len(), 3, "{counted:?}");
}

#[test]
fn a_drain_under_way_is_not_counted_until_it_ends() {
    let under_way = scene().drains[1].clone();
    let mut lifetime = Lifetime::new().unwrap();
    lifetime.see(std::slice::from_ref(&under_way));
    lifetime.see(std::slice::from_ref(&under_way));
    assert_eq!(counted(&lifetime), Vec::<String>::new());
    lifetime.see(&[Record {
        state: State::Restored,
        ..under_way
    }]);
    let counted = counted(&lifetime);
    assert!(
        counted[0].contains("state=\"restored\",verdict=\"not_removed\"} 1"),
        "{counted:?}"
    );
}

#[test]
fn a_removed_server_that_is_put_back_is_no_second_end() {
    let removed = over()[1].clone();
    let mut lifetime = Lifetime::new().unwrap();
    lifetime.see(&[]);
    lifetime.see(std::slice::from_ref(&removed));
    let once = counted(&lifetime);
    for state in [State::Restoring, State::Restored] {
        lifetime.see(&[Record {
            state,
            ..removed.clone()
        }]);
    }
    assert_eq!(counted(&lifetime), once);
}
