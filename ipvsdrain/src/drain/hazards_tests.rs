//! Every hazard, on both sides of its condition.

use super::facts::{AtZero, Evidence, Rung, Scheduler, Server, Service};
use super::hazards::{About, Hazard, Outlook, hazards};
use super::policy::{FallbackUse, OnDeadline, PersistenceUse, Pinned, Policy, SysctlUse, Then};
use crate::forwarding::{Configuration, Forwarding};

/// A host on which nothing is in the way of a drain.
fn fine() -> Outlook {
    Outlook {
        server: Server {
            configuration: Configuration {
                forwarding: Forwarding::DirectRoute,
                weight: 5,
                upper_threshold: 0,
                lower_threshold: 0,
            },
            active: 0,
            inactive: 0,
            persistent: 4,
            packets: 0,
            packets_out: 0,
        },
        around: Some(scheduled("wrr", AtZero::Skips)),
        rung: Evidence::Known((Rung::Probes, None)),
        counters: Evidence::Known(()),
        expire_nodest_conn: Evidence::Known(false),
        expire_quiescent_template: Evidence::Known(false),
        reuses_connections: Evidence::Known(false),
        flushes_entries: true,
        draining: Vec::new(),
    }
}

fn scheduled(name: &str, at_zero: AtZero) -> Service {
    Service {
        scheduler: Scheduler {
            name: name.to_owned(),
            at_zero,
        },
        persistent: false,
        others: Vec::new(),
    }
}

/// A policy whose wait has an end.
fn bounded() -> Policy {
    Policy {
        deadline_secs: Some(600),
        ..Policy::default()
    }
}

fn found(service: &str, policy: &Policy, outlook: &Outlook) -> Vec<Hazard> {
    hazards(&service.parse().unwrap(), policy, outlook)
}

fn abouts(service: &str, policy: &Policy, outlook: &Outlook) -> Vec<About> {
    let found = found(service, policy, outlook);
    assert!(found.iter().all(|hazard| !hazard.remedy.is_empty()), "{found:?}");
    found.iter().map(|hazard| hazard.about).collect()
}

/// Of a bounded drain of a UDP service.
fn udp(outlook: &Outlook) -> Vec<About> {
    abouts("udp:10.0.0.1:53", &bounded(), outlook)
}

#[test]
fn a_drain_that_nothing_is_in_the_way_of_has_no_hazard() {
    for service in ["udp:10.0.0.1:53", "tcp:10.0.0.1:80", "fwmark:7"] {
        assert!(abouts(service, &bounded(), &fine()).is_empty(), "{service}");
    }
}

#[test]
fn a_server_at_weight_0_is_another_hands() {
    let mut outlook = fine();
    outlook.server.configuration.weight = 0;
    assert_eq!(udp(&outlook), [About::Weight]);
}

#[test]
fn a_scheduler_that_drops_at_weight_0_is_told_with_what_the_policy_does_about_it() {
    let with = |name, at_zero, fallback| {
        let outlook = Outlook {
            around: Some(scheduled(name, at_zero)),
            ..fine()
        };
        let policy = Policy {
            fallback,
            ..bounded()
        };
        let found = found("udp:10.0.0.1:53", &policy, &outlook);
        found.first().map(|hazard| hazard.remedy.clone())
    };
    assert_eq!(with("sh", AtZero::Fallback(true), FallbackUse::Refuse), None);
    let refused = with("sh", AtZero::Fallback(false), FallbackUse::Refuse).unwrap();
    assert!(refused.contains("--fallback set"), "{refused}");
    let set = with("sh", AtZero::Fallback(false), FallbackUse::Set).unwrap();
    assert!(set.starts_with("nothing needs to be done"), "{set}");
    let never = with("dh", AtZero::Drops, FallbackUse::Set).unwrap();
    assert!(never.contains("another scheduler"), "{never}");
}

#[test]
fn templates_keep_clients_coming_unless_they_expire() {
    let mut outlook = fine();
    outlook.around = outlook.around.map(|around| Service {
        persistent: true,
        ..around
    });
    assert_eq!(udp(&outlook), [About::Persistence]);
    let set = Policy {
        persistence: PersistenceUse::Set,
        ..bounded()
    };
    assert!(abouts("udp:10.0.0.1:53", &set, &outlook).is_empty());
    outlook.expire_quiescent_template = Evidence::Known(true);
    assert!(udp(&outlook).is_empty());
}

#[test]
fn a_removal_that_must_wait_for_entries_is_told() {
    let never = Policy {
        sysctl: SysctlUse::Never,
        ..bounded()
    };
    let about = |policy: &Policy, outlook: &Outlook| abouts("udp:10.0.0.1:53", policy, outlook);
    assert_eq!(about(&never, &fine()), [About::ExpireNodestConn]);
    let on = Outlook {
        expire_nodest_conn: Evidence::Known(true),
        ..fine()
    };
    assert!(about(&never, &on).is_empty());
    let unread = Outlook {
        expire_nodest_conn: Evidence::Unknown("EACCES".to_owned()),
        ..fine()
    };
    assert_eq!(about(&bounded(), &unread), [About::ExpireNodestConn]);
    let old = Outlook {
        flushes_entries: false,
        ..fine()
    };
    assert_eq!(about(&bounded(), &old), [About::Flush]);
    let kept = Policy {
        then: Then::Keep,
        ..never
    };
    assert!(about(&kept, &old).is_empty(), "what is kept is not removed");
}

#[test]
fn connections_that_are_reused_matter_where_there_may_be_any() {
    let outlook = Outlook {
        reuses_connections: Evidence::Known(true),
        ..fine()
    };
    assert!(udp(&outlook).is_empty());
    for service in ["tcp:10.0.0.1:80", "fwmark:7"] {
        assert_eq!(abouts(service, &bounded(), &outlook), [About::ConnReuseMode]);
    }
}

#[test]
fn a_witness_that_sees_less_or_nothing_is_told_with_its_cause() {
    for rung in [Rung::Arrivals, Rung::Counters] {
        let outlook = Outlook {
            rung: Evidence::Known((rung, Some("no types".to_owned()))),
            ..fine()
        };
        let found = found("udp:10.0.0.1:53", &bounded(), &outlook);
        assert!(
            found[0].about == About::Observer && found[0].what.contains("no types"),
            "{found:?}"
        );
    }
    let blind = Outlook {
        rung: Evidence::Unknown("no rights".to_owned()),
        counters: Evidence::Unknown("run_estimation is 0".to_owned()),
        ..fine()
    };
    let found = found("udp:10.0.0.1:53", &bounded(), &blind);
    assert!(found[0].what.contains("held at weight 0: no rights"), "{found:?}");
    assert_eq!(found[1].about, About::Counters);
}

#[test]
fn other_drains_of_the_service_are_named() {
    let outlook = Outlook {
        draining: vec!["10.1.0.6:53".parse().unwrap(), "10.1.0.7:53".parse().unwrap()],
        ..fine()
    };
    let found = found("udp:10.0.0.1:53", &bounded(), &outlook);
    assert!(found[0].what.ends_with("10.1.0.6:53, 10.1.0.7:53"), "{found:?}");
    assert!(
        found[0]
            .remedy
            .contains("ipvsdrain wait udp:10.0.0.1:53 10.1.0.6:53"),
        "{found:?}"
    );
}

#[test]
fn a_wait_without_an_end_is_told_by_whom_it_waits_for() {
    let what = |service, policy: &Policy| {
        let found = found(service, policy, &fine());
        found.first().map(|hazard| hazard.what.clone())
    };
    let open = Policy::default();
    let udp = what("udp:10.0.0.1:53", &open).unwrap();
    assert!(
        udp.contains("UDP clients") && !udp.contains("connections"),
        "{udp}"
    );
    let tcp = what("tcp:10.0.0.1:80", &open).unwrap();
    assert!(
        !tcp.contains("UDP clients") && tcp.contains("connections"),
        "{tcp}"
    );
    let both = what("fwmark:7", &open).unwrap();
    assert!(
        both.contains("UDP clients") && both.contains("connections"),
        "{both}"
    );
    let migrate = Policy {
        pinned: Pinned::Migrate,
        ..open
    };
    assert_eq!(what("udp:10.0.0.1:53", &migrate), None);
    let ends = Policy {
        on_deadline: OnDeadline::Remove,
        ..bounded()
    };
    assert_eq!(what("fwmark:7", &ends), None);
}
