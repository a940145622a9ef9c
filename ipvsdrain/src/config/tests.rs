//! What a file is taken or refused for.

use super::*;
use crate::drain::{Changes, Policy};

fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let said = read(&path).unwrap_err().to_string();
    let file = format!("{}: ", path.display());
    said.strip_prefix(&file).expect("the file comes first").to_owned()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    assert!(refused("shadow = \"yes\"").contains("boolean"));
    assert!(
        refused("[policy]\nudp_quiet_secs = 0")
            .starts_with("line 2: policy.udp_quiet_secs: udp_quiet of 0 s")
    );
    assert!(refused("[adopt]\nservices = [\"udp:10.0.0.1\"]").contains("services"));
    assert!(
        read(Path::new("/nonexistent/x.toml"))
            .unwrap_err()
            .to_string()
            .starts_with("/nonexistent/x.toml: it cannot be read: ")
    );
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    for (text, said) in [
        (
            "shadw = true",
            "line 1: unknown key `shadw`: did you mean `shadow`?",
        ),
        (
            "[policy]\npinned = \"hold\"\nudp_quiet = 5",
            "line 3: unknown key `policy.udp_quiet`: did you mean `udp_quiet_secs`?",
        ),
        (
            "[floor]\nserver = 2",
            "line 2: unknown key `floor.server`: did you mean `servers`?",
        ),
        (
            "[failure]\nconfirmation = 2",
            "line 2: unknown key `failure.confirmation`: did you mean `confirmations`?",
        ),
        (
            "[[service]]\nmatch = { prot = 53 }\npolicy = {}",
            "line 2: unknown key `service.match.prot`: did you mean `port`?",
        ),
        (
            "[[service]]\nmatch = { port = 53 }\npolicy = { floor = { wieght_percent = 1 } }",
            "line 3: unknown key `service.policy.floor.wieght_percent`: did you mean `weight_percent`?",
        ),
        (
            "[adopt]\nxyz = 1",
            "line 2: unknown key `adopt.xyz`: known here are services, then",
        ),
    ] {
        assert_eq!(refused(text), said);
    }
}

#[test]
fn a_value_that_no_policy_can_have_is_told_with_its_key() {
    let odd = refused("[[service]]\nmatch = { port = 53 }\n[service.policy]\npinned = \"drop\"");
    assert!(
        odd.starts_with("line 4: service.policy.pinned: ") && odd.contains("`drop`"),
        "{odd}"
    );
    let nested = refused("[floor]\nservers = 1\nweight_percent = 101");
    assert!(nested.starts_with("line 3: floor.weight_percent: "), "{nested}");
    let short = refused("[failure]\nremove_after_secs = 30\nconfirmations = 0");
    assert!(short.starts_with("line 3: failure.confirmations: "), "{short}");
    let alone = refused("[policy]\non_deadline = \"remove\"");
    assert!(alone.starts_with("line 2: policy.on_deadline: "), "{alone}");
    let rule = refused("[[service]]\nmatch = {}\npolicy = {}");
    assert!(rule.contains("needs a match"), "{rule}");
}

#[test]
fn every_key_that_can_be_set_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let policy = "udp_quiet_secs = 1\ntcp_quiet_secs = 1\nclosing_quiet_secs = 1\npinned = \"hold\"\n\
                  sysctl = \"scoped\"\nfallback = \"set\"\npersistence = \"set\"\nthen = \"keep\"\n\
                  soft_deadline_secs = 1\ndeadline_secs = 2\non_deadline = \"hold\"\nother_hands = \"alarm\"\n\
                  slow_start_secs = 0\nfloor = { servers = 1, weight_percent = 1 }\n\
                  failure = { then = \"quiesce\", remove_after_secs = 0 }\n";
    let text = format!(
        "shadow = true\nother_hands = \"yield\"\n[policy]\n{policy}\n[floor]\nservers = 2\nweight_percent = 3\n\
         [failure]\nthen = \"report\"\nremove_after_secs = 0\nconfirmations = 1\nhold_down_secs = 0\n\
         longest_hold_down_secs = 0\nforgiven_after_secs = 1\n[adopt]\nservices = [\"all\"]\nthen = \"keep\"\n[[service]]\n\
         match = {{ protocol = \"udp\", address = \"10.0.0.1\", port = 53 }}\n[service.policy]\n{policy}\n\
         [[service]]\nmatch = {{ mark = 7 }}\npolicy = {{}}\n"
    );
    std::fs::write(&path, text).unwrap();
    read(&path).unwrap();
}

/// Every key of the file as it is shipped, no longer behind a `#`.
fn uncommented() -> String {
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let lines = DEFAULT.lines().map(|line| match Some(line).filter(is_setting) {
        Some(setting) => &setting[1..],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_sets_nothing_and_shows_what_is_built_in() {
    let at = Path::new("config.toml");
    assert_eq!(parse(at, DEFAULT).unwrap(), Config::default());
    let shown = parse(at, &uncommented()).unwrap();
    // What is marked as an example there has no default of its own.
    let mut rules = shown.rules.clone();
    rules.service.clear();
    let policy = rules
        .policy(&"tcp:10.0.0.1:1".parse().unwrap(), &Changes::default())
        .unwrap();
    assert_eq!(
        (policy.soft_deadline_secs, policy.deadline_secs),
        (Some(600), Some(1800))
    );
    let plain = Policy {
        soft_deadline_secs: None,
        deadline_secs: None,
        ..policy
    };
    assert_eq!(plain, Policy::default());
    assert_eq!((rules.shadow, rules.adopt), (false, Rules::default().adopt));
}

#[test]
fn every_key_that_there_is_stands_in_the_shipped_file() {
    let shown = keys::paths(&uncommented());
    for path in keys::every_path() {
        let in_rule = path.starts_with("service.policy.") || path.starts_with("service.match.");
        // Other names for what is there already.
        let is_short = path == "policy.other_hands"
            || path.starts_with("policy.floor")
            || path.starts_with("policy.failure");
        assert!(in_rule || is_short || shown.contains(&path), "{path}: {shown:?}");
    }
}

#[test]
fn a_setting_that_cannot_be_is_told_with_its_key() {
    let refused = |text: &str| parse(Path::new("x"), text).unwrap_err().to_string();
    for (text, said) in [
        (
            "[daemon]\nflow_capacity = 5",
            "x: line 2: daemon.flow_capacity: a capacity of 5 flows",
        ),
        (
            "[daemon]\nsocket = \"run/s\"",
            "x: line 2: daemon.socket: `run/s` is not a whole path",
        ),
        (
            "[maintenance]\nfolder = \"m\"",
            "x: line 2: maintenance.folder: `m` is not a whole path",
        ),
        (
            "[[hook]]\non = [\"quiet\"]\nrun = []",
            "x: line 3: hook.run: no command is given",
        ),
        (
            "[[hook]]\nrun = [\"/bin/true\"]\non = []",
            "x: line 3: hook.on: no state is given",
        ),
        (
            "[[hook]]\non = [\"quiet\"]\nrun = [\"/bin/true\"]\ntimeout_secs = 301",
            "x: line 4: hook.timeout_secs: 301 s",
        ),
    ] {
        assert!(refused(text).starts_with(said), "{}", refused(text));
    }
    assert!(refused("[daemon]\nlog = \"xml\"").contains("xml"));
    assert!(refused("[daemon]\nlowest_rung = \"top\"").contains("top"));
}

#[test]
fn where_to_listen_is_an_address_or_off_and_silence_is_told_from_the_default() {
    let listen = |text: &str| parse(Path::new("x"), text).unwrap().settings.web.listen;
    assert_eq!(listen("[web]"), None);
    assert_eq!(listen("[web]\nlisten = \"off\""), Some(Listen::Off));
    assert_eq!(
        listen(&format!("[web]\nlisten = \"{DEFAULT_LISTEN}\"")),
        Some(Listen::At(DEFAULT_LISTEN))
    );
    let anywhere = Listen::At("[::]:80".parse().unwrap());
    assert_eq!(listen("[web]\nlisten = \"[::]:80\""), Some(anywhere));
    assert!(DEFAULT_LISTEN.ip().is_loopback());
    assert!(DEFAULT.contains(&format!("#listen = \"{DEFAULT_LISTEN}\"")));
}

#[test]
fn every_example_in_the_documents_is_taken() {
    let documents = [
        include_str!("../../../docs/configuration.md"),
        include_str!("../../../docs/decision.md"),
    ];
    let examples: Vec<&str> = documents
        .iter()
        .flat_map(|text| text.split("```toml\n").skip(1))
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 5, "{examples:?}");
    for example in examples {
        parse(Path::new("example"), example).unwrap();
    }
}

#[test]
fn the_page_names_every_key_of_the_daemon_of_the_web_of_checks_and_of_failures() {
    let page = include_str!("../../../docs/configuration.md");
    for path in keys::every_path() {
        let key = ["daemon.", "web.", "failure."]
            .iter()
            .find_map(|table| path.strip_prefix(table));
        if let Some(key) = key {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
        if let Some(key) = path.strip_prefix("check.") {
            let inner = key.rsplit('.').next().unwrap_or(key);
            assert!(page.contains(&format!("`{inner}`")), "{key}");
        }
    }
}
