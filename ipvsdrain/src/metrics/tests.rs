//! What a scrape looks like, as a whole and at its edges.

use std::collections::{BTreeMap, BTreeSet};

use super::Format;
use super::everything::scene;
use super::fixture::{DNS, Scene, WEB, drain, health, listed, word};
use super::health::MOST_SOURCES;
use crate::drain::{Record, Stance, State};
use crate::health::{Says, Verdict};

/// As it is whatever the version, and whatever the process that renders it.
fn of_any_daemon(text: &str) -> String {
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let text = text.replace(&version, "version=\"…\"");
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if line.starts_with("process_") => format!("{series} 1\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn all_there_is_in_the_text_of_prometheus() {
    insta::assert_snapshot!(of_any_daemon(&scene().text(Format::Prometheus)));
}

#[test]
fn an_idle_daemon_in_the_text_of_prometheus() {
    insta::assert_snapshot!(of_any_daemon(&Scene::empty().text(Format::Prometheus)));
}

#[test]
fn all_there_is_in_open_metrics() {
    let text = scene().text(Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.contains("# TYPE ipvsdrain_drains_finished counter\n"));
    assert!(!text.contains("# TYPE ipvsdrain_drains_finished_total"));
    assert!(text.contains("\nipvsdrain_drains_finished_total{"));
    insta::assert_snapshot!(of_any_daemon(&text));
}

/// The samples of a text, each as it stands, and its names of families with their help and type.
fn samples(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn no_sample_comes_twice_and_each_family_once_with_help_and_type() {
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = scene().text(format);
        let mut seen = BTreeSet::new();
        for sample in samples(&text) {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            assert!(seen.insert(series), "twice: {series}");
            assert!(value.parse::<f64>().unwrap().is_finite(), "{sample}");
        }
        let mut helped = BTreeSet::new();
        let mut kinds = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("# ")) {
            let mut words = line.splitn(4, ' ').skip(1);
            match (words.next(), words.next(), words.next()) {
                (Some("HELP"), Some(name), Some(help)) => {
                    assert!(helped.insert(name), "twice: {name}");
                    assert!(help.ends_with('.'), "no sentence: {help}");
                }
                (Some("TYPE"), Some(name), Some(kind)) => {
                    assert!(kinds.insert(name, kind).is_none(), "twice: {name}");
                }
                (Some("EOF"), None, None) => {}
                _ => panic!("{line}"),
            }
        }
        assert_eq!(helped, kinds.keys().copied().collect());
        for sample in samples(&text) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let family = ["", "_total", "_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|name| kinds.contains_key(name));
            assert!(family.is_some(), "no family: {sample}");
        }
    }
}

#[test]
fn what_is_quoted_stays_one_line() {
    let mut scene = scene();
    scene.health[1].words[0].source = "a\\b\"c\nd".to_owned();
    let text = scene.text(Format::Prometheus);
    assert!(text.contains(r#",source="a\\b\"c\nd"} 1"#), "{text}");
}

/// The value of the only sample of a family that is without labels.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    samples(text).find_map(|line| line.strip_prefix(&format!("{name} ")))
}

#[test]
fn what_is_not_known_is_absent_and_not_0() {
    let known = scene().text(Format::Prometheus);
    assert_eq!(value(&known, "ipvsdrain_foreign_servers"), Some("1"));
    assert_eq!(value(&known, "ipvsdrain_drains_in_progress"), Some("9"));
    let mut scene = scene();
    scene.journal.drains_known = false;
    let unknown = scene.text(Format::Prometheus);
    for name in [
        "foreign_servers",
        "drains_in_progress",
        "drains_held",
        "service_capacity_ratio",
    ] {
        assert!(!unknown.contains(&format!("\nipvsdrain_{name}")), "{name}");
    }
    assert!(unknown.contains("\nipvsdrain_service_weighted_servers{"));
    scene.journal.drains_known = true;
    scene.listing = None;
    let unreadable = scene.text(Format::Prometheus);
    assert_eq!(value(&unreadable, "ipvsdrain_table_readable"), Some("0"));
    assert!(!unreadable.contains("\nipvsdrain_server_") && !unreadable.contains("\nipvsdrain_service_"));
    assert_eq!(value(&unreadable, "ipvsdrain_foreign_servers"), None);
    assert!(unreadable.contains("\nipvsdrain_drain_state{"));
}

#[test]
fn a_drain_that_is_over_has_no_samples_of_its_own() {
    let text = scene().text(Format::Prometheus);
    assert!(!text.contains("10.1.1.20"), "{text}");
}

#[test]
fn a_removed_server_is_missed_until_it_is_back() {
    let shown = |servers: &[(&str, u32)], removed: &Record| {
        let scene = Scene {
            listing: Some(vec![listed(WEB, servers)]),
            drains: vec![removed.clone()],
            ..Scene::empty()
        };
        let text = scene.text(Format::Prometheus);
        let of = |name: &str| {
            let start = format!("ipvsdrain_service_{name}{{");
            let line = samples(&text).find(|line| line.starts_with(&start)).unwrap();
            line.rsplit_once(' ').unwrap().1.to_owned()
        };
        (of("servers"), of("weighted_servers"), of("capacity_ratio"))
    };
    let expected = |servers: &str, weighted: &str, ratio: &str| {
        (servers.to_owned(), weighted.to_owned(), ratio.to_owned())
    };
    let mut removed = drain(1, WEB, "[2001:db8:1::5]:443", State::Removed);
    removed.capacity.servers_total = 2;
    removed.capacity.weight_total = 8;
    let other = ("[2001:db8:1::6]:443", 2);
    assert_eq!(shown(&[other], &removed), expected("2", "1", "0.25"));
    let back = [other, ("[2001:db8:1::5]:443", 6)];
    assert_eq!(shown(&back, &removed), expected("2", "2", "1"));
    removed.shadow = true;
    assert_eq!(shown(&[other], &removed), expected("1", "1", "1"));
}

#[test]
fn of_many_sources_only_the_first_are_shown() {
    let mut of_many = health(WEB, "[2001:db8:1::6]:443", Verdict::Up, Stance::Well);
    of_many.words = (0..100)
        .map(|n| word(&format!("report:{n:02}"), Says::Up))
        .collect();
    let scene = Scene {
        health: vec![of_many],
        ..Scene::empty()
    };
    let text = scene.text(Format::Prometheus);
    assert_eq!(
        text.matches("\nipvsdrain_health_source_up{").count(),
        MOST_SOURCES
    );
}

#[test]
fn a_large_table_costs_a_bounded_number_of_bytes_for_each_server() {
    const SERVERS: usize = 10_000;
    let services = (0..1000_u32).map(|service| {
        let (high, low) = (service / 250, service % 250);
        let servers: Vec<String> = (0..10)
            .map(|server| format!("10.{high}.{low}.{server}:53"))
            .collect();
        let servers: Vec<(&str, u32)> = servers.iter().map(|server| (server.as_str(), 100)).collect();
        listed(&format!("udp:192.168.{high}.{low}:53"), &servers)
    });
    let listing: Vec<_> = services.collect();
    let keys = listing.iter().flat_map(|listed| {
        listed
            .servers
            .iter()
            .map(|server| (listed.service, server.server))
    });
    let health = keys.map(|(service, server)| {
        health(
            &service.to_string(),
            &server.to_string(),
            Verdict::Up,
            Stance::Well,
        )
    });
    let mut scene = Scene {
        health: health.collect(),
        listing: Some(listing),
        ..Scene::empty()
    };
    assert_eq!(scene.health.len(), SERVERS);
    let per_server = |scene: &Scene| scene.text(Format::Prometheus).len() / SERVERS;
    let all_well = per_server(&scene);
    assert!(all_well < 1600, "{all_well} bytes per server");
    // Drains that are over cost nothing.
    let ended = scene.health.iter().zip(1..).map(|(server, id)| {
        let (service, name) = (server.service.to_string(), server.server.to_string());
        drain(id, &service, &name, State::Restored)
    });
    scene.drains = ended.collect();
    assert_eq!(per_server(&scene), all_well);
}

#[test]
fn one_host_in_two_services_is_two_servers() {
    let scene = Scene {
        listing: Some(vec![
            listed(DNS, &[("10.1.0.1:53", 1)]),
            listed("tcp:10.0.0.1:53", &[("10.1.0.1:53", 1)]),
        ]),
        ..Scene::empty()
    };
    let text = scene.text(Format::Prometheus);
    assert_eq!(text.matches("\nipvsdrain_server_weight{").count(), 2);
}
