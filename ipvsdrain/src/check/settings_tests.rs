//! Which checks make sense.

use super::settings::{Check, first_wrong};

fn check(text: &str) -> Check {
    toml::from_str(text).unwrap()
}

fn said(text: &str) -> (Vec<&'static str>, String) {
    let (keys, error) = check(text).kind().unwrap_err();
    (keys, error.to_string())
}

#[test]
fn what_is_not_said_has_a_default_and_the_name_is_that_of_the_kind() {
    let check = check("match = { port = 53 }\ndns = { name = \"example.org\" }");
    assert!(check.kind().is_ok());
    assert_eq!(
        (check.interval_ms, check.timeout_ms, check.rise, check.fall),
        (2000, 1000, 2, 1)
    );
    assert_eq!((check.jitter_percent, check.name()), (10, "dns"));
}

#[test]
fn ranges_hold_on_both_sides() {
    let with = |key: &str, value: u32| {
        let more = if key == "interval_ms" {
            "timeout_ms = 10\n"
        } else if key == "timeout_ms" {
            "interval_ms = 3600000\n"
        } else {
            ""
        };
        check(&format!(
            "match = {{ port = 1 }}\ntcp = {{}}\n{more}{key} = {value}"
        ))
        .kind()
    };
    for (key, least, most) in [
        ("interval_ms", 100, 3_600_000),
        ("timeout_ms", 10, 300_000),
        ("rise", 1, 100),
        ("fall", 1, 100),
        ("jitter_percent", 0, 50),
    ] {
        assert!(with(key, least).is_ok() && with(key, most).is_ok(), "{key}");
        assert_eq!(with(key, most + 1).unwrap_err().0, [key]);
        if least > 0 {
            assert_eq!(with(key, least - 1).unwrap_err().0, [key]);
        }
    }
    let rest = "match = { port = 1 }\ntcp = {}\ninterval_ms = 500\n";
    assert!(check(&format!("{rest}timeout_ms = 500")).kind().is_ok());
    let (keys, error) = said(&format!("{rest}timeout_ms = 501"));
    assert!(
        keys == ["timeout_ms"] && error.contains("interval of 500 ms"),
        "{error}"
    );
}

#[test]
fn a_check_is_of_one_kind_and_of_some_services() {
    assert!(said("tcp = {}").1.contains("needs a match"));
    assert!(said("match = { port = 1 }").1.contains("none is given"));
    let two = said("match = { port = 1 }\ntcp = {}\ntls = {}");
    assert!(two.0 == ["tls"] && two.1.contains("tcp and tls"), "{two:?}");
    let name = said("match = { port = 1 }\ntcp = {}\nname = \"Über\"");
    assert!(name.0 == ["name"], "{name:?}");
}

#[test]
fn a_name_stands_once_for_each_service() {
    let tcp = |matches: &str| check(&format!("match = {{ {matches} }}\ntcp = {{}}"));
    let clash = |one: &str, two: &str| first_wrong(&[tcp(one), tcp(two)]).is_some();
    assert!(clash("port = 80", "port = 80"));
    assert!(clash("port = 80", "address = \"10.0.0.1\""));
    assert!(!clash("port = 80", "port = 81"));
    assert!(!clash("port = 80", "mark = 7"));
    assert!(!clash("mark = 7", "protocol = \"tcp\""));
    assert!(clash("mark = 7", "mark = 7"));
    let named = Check {
        name: Some("other".to_owned()),
        ..tcp("port = 80")
    };
    assert!(first_wrong(&[tcp("port = 80"), named]).is_none());
}
