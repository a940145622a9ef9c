//! What an operator reads, to the letter: help, tables, JSON and errors. A change shows up in `snapshots/`; accept it by
//! running the tests with `INSTA_UPDATE=always`, and read what changed.

use std::fmt::Write as _;

use clap::{CommandFactory, Parser};
use insta::assert_snapshot;
use serde::Serialize;

use super::selection::{in_table, to_await, to_restore};
use super::{
    Cli, check_config, consent, exit, explain, fixtures, flows, history, plan, report, restore, status,
    waiting,
};
use crate::api::client::ClientError;
use crate::api::{DrainView, HealthView, JournalView, Problem, ProblemKind, ServerName, Status};
use crate::drain::{Refusal, Stance};

/// Columns of the terminal that help is printed for.
const WIDTH: usize = 100;

fn pretty(view: &impl Serialize) -> String {
    serde_json::to_string_pretty(view).unwrap()
}

/// `snapshots/NAME.snap`, without this module's path.
macro_rules! shows {
    ($name:expr, $text:expr) => {
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            assert_snapshot!($name, $text);
        });
    };
}

#[test]
fn help_of_every_verb() {
    let mut whole = Cli::command().term_width(WIDTH);
    shows!("help", whole.render_long_help().to_string());
    whole.build();
    for verb in whole
        .get_subcommands_mut()
        .filter(|verb| verb.get_name() != "help")
    {
        let name = format!("help-{}", verb.get_name());
        let help = verb.clone().term_width(WIDTH).render_long_help().to_string();
        shows!(name, help);
    }
}

#[test]
fn tables() {
    shows!("status", status::render(&fixtures::status()));
    let broken = Status {
        journal: JournalView {
            ok: false,
            fault: Some("/var/lib/ipvsdrain/journal.db: no space left on device".to_owned()),
            drains_known: false,
            at_weight_zero: fixtures::names()[..1].to_vec(),
        },
        ..fixtures::status()
    };
    shows!("status-without-journal", status::render(&broken));
    shows!("status-failing", status::render(&fixtures::failing_status()));
    shows!("status-removed", status::render(&fixtures::removed_status()));
    shows!("flows", flows::render(&fixtures::flows()));
    shows!("history", history::render(&fixtures::history()));
    shows!(
        "plan",
        plan::render(&[fixtures::plan(), fixtures::refused_plan()])
    );
    let explained = [fixtures::held(), fixtures::removed(), fixtures::restored()];
    let explained = explained.each_ref().map(|view| explain::render(view, None));
    shows!("explain", explained.join("\n\n"));
}

#[test]
fn the_health_of_a_server() {
    let held = DrainView {
        held: Some(
            "its health is unknown: report:icinga said that it is down, and has been silent since".to_owned(),
        ),
        evidence_unknown: true,
        ..fixtures::failing()
    };
    let maintained = HealthView {
        stance: Stance::Maintenance,
        doing: Stance::Maintenance.to_string(),
        hold_down_secs: None,
        ..fixtures::down()
    };
    let [_, tcp] = fixtures::names();
    let explained = [
        explain::render(&fixtures::failing(), Some(&fixtures::down())),
        explain::render(&fixtures::failing(), Some(&fixtures::up_again(false))),
        explain::render(&held, Some(&fixtures::silent())),
        explain::render(&fixtures::removed_for_failure(), Some(&fixtures::up_again(true))),
        explain::render(&fixtures::taken_over(), Some(&maintained)),
        explain::without_drain(&fixtures::failing_status(), &tcp).unwrap(),
    ];
    shows!("explain-failing", explained.join("\n\n"));
    let known = [
        fixtures::down(),
        fixtures::up_again(false),
        fixtures::up_again(true),
        fixtures::well(),
        fixtures::needed(),
        fixtures::silent(),
    ];
    let lines = known.map(|known| {
        let name = ServerName {
            service: known.service,
            server: known.server,
        };
        report::render(&name, Some(&known))
    });
    let nobody = report::render(&tcp, None);
    shows!("report", format!("{}\n{nobody}", lines.join("\n")));
}

#[test]
fn how_drains_end() {
    let text = |drains: &[DrainView], of_host, said| waiting::render(drains, of_host, false, said);
    let overdue = DrainView {
        overdue: true,
        ..fixtures::view()
    };
    let ended = [fixtures::removed(), fixtures::held(), overdue];
    let mut lines = String::new();
    for view in &ended {
        let said = text(std::slice::from_ref(view), false, waiting::sentence);
        let _ = writeln!(lines, "{said}\n  exit code {}", waiting::code(view));
    }
    let _ = writeln!(
        lines,
        "\n{}\n  exit code {}",
        text(&ended, true, waiting::sentence),
        exit::worst(ended.iter().map(waiting::code))
    );
    shows!("drain", lines);
    let back = [fixtures::restored()];
    let one = text(&back, false, restore::said);
    shows!(
        "restore",
        format!(
            "{one}\n\n{}\n\n{}",
            text(&back, true, restore::said),
            waiting::render(&back, true, true, restore::said)
        )
    );
}

#[test]
fn a_configuration_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ipvsdrain.toml");
    let mut text = String::new();
    for given in [
        "shadow = true",
        "shadow = 7",
        "[policy]\nudp_quite_secs = 5",
        "[policy]\nudp_quiet_secs = 999",
        "[[service]]\nmatch = {}\npolicy = {}",
        "[web]\nlisten = \"192.0.2.10:9969\"\ncertificate = \"/nonexistent/web.pem\"\nkey = \"/nonexistent/web.key\"",
        "[web]\nlisten = \"192.0.2.10:9969\"\n[web.users]\n\
         a = \"$2y$10$ERCQZC6k6hxB87TDWFCHDeF.JQZGwJeTJ4KunlY6yjYowz7Fyp8aq\"",
    ] {
        std::fs::write(&file, given).unwrap();
        let (said, code) = match check_config::checked(&file) {
            Ok(said) => (said, exit::DONE),
            Err(said) => (said, exit::USAGE),
        };
        let said = said.replace(&folder.path().display().to_string(), "/etc/ipvsdrain");
        let _ = writeln!(text, "{given}\n---\n{said}\nexit code {code}\n");
    }
    shows!("check-config", text);
}

#[test]
fn json() {
    shows!("status-json", pretty(&fixtures::status()));
    shows!("status-failing-json", pretty(&fixtures::failing_status()));
    shows!("report-json", pretty(&fixtures::silent()));
    shows!("flows-json", pretty(&fixtures::flows()));
    shows!("history-json", pretty(&fixtures::history()));
    shows!("plan-json", pretty(&[fixtures::plan(), fixtures::refused_plan()]));
    shows!("drain-json", pretty(&fixtures::removed()));
    let of_host = waiting::render(&[fixtures::removed()], true, true, waiting::sentence);
    let of_host: serde_json::Value = serde_json::from_str(&of_host).unwrap();
    assert_eq!(of_host["drains"][0]["id"], 2);
}

/// Command lines that cannot be read.
const MALFORMED: [&[&str]; 26] = [
    &["drain"],
    &["drain", "udp:10.0.0.1:53"],
    &["drain", "10.0.0.1:53", "10.1.0.5:53"],
    &["drain", "udp:10.0.0.1", "10.1.0.5:53"],
    &["drain", "udp:2001:db8::1:53", "10.1.0.5:53"],
    &["drain", "icmp:10.0.0.1:53", "10.1.0.5:53"],
    &["drain", "fwmark:0", "10.1.0.5:53"],
    &["drain", "udp:10.0.0.1:53", "10.1.0.5"],
    &["drain", "udp:10.0.0.1:53", "10.1.0.256:53"],
    &["drain", "udp:10.0.0.1:53", "10.1.0.5:53", "--server", "10.1.0.5"],
    &["drain", "--server", "web1"],
    &["drain", "--server", "10.1.0.5:99999"],
    &["drain", "--server", "10.1.0.0/24"],
    &["drain", "--server", "10.1.0.5", "--timeout", "5m"],
    &["drain", "--server", "10.1.0.5", "--deadline", "1w"],
    &["drain", "--server", "10.1.0.5", "--deadline", "4294967295h"],
    &["drain", "--server", "10.1.0.5", "--pinned", "drop"],
    &["drain", "--server", "10.1.0.5", "--force"],
    &["drain", "--server", "10.1.0.5", "--dry-run", "--wait"],
    &["wait", "--timeout", "-1"],
    &["report", "udp:10.0.0.1:53", "10.1.0.5:53"],
    &[
        "report",
        "udp:10.0.0.1:53",
        "10.1.0.5:53",
        "sick",
        "--source",
        "icinga",
        "--ttl",
        "30s",
    ],
    &[
        "report",
        "udp:10.0.0.1:53",
        "10.1.0.5:53",
        "down",
        "--source",
        "icinga",
    ],
    &["report", "udp:10.0.0.1:53", "10.1.0.5:53", "up", "--ttl", "30s"],
    &["history", "--since", "yesterday"],
    &["flows", "udp:10.0.0.1:53", "10.1.0.5:53", "--limit", "0"],
];

#[test]
fn errors() {
    let mut text = String::new();
    for words in MALFORMED {
        let line = [&["ipvsdrain"], words].concat();
        let error = Cli::try_parse_from(&line).unwrap_err();
        let said = error.render().to_string();
        let _ = writeln!(
            text,
            "$ {}\n{}exit code {}\n",
            line.join(" "),
            said,
            error.exit_code()
        );
    }
    let status = fixtures::status();
    let empty = Status {
        services: Vec::new(),
        drains: Vec::new(),
        ..status.clone()
    };
    let host = |text: &str| text.parse().unwrap();
    let problem = |kind, error: String| ClientError::from(Problem { kind, error }).into();
    let no_server = Refusal::NoServer {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: "10.1.0.9:53".parse().unwrap(),
    };
    let errors: [(&str, anyhow::Error); 8] = [
        (
            "drain --server 10.1.0.15",
            in_table(&host("10.1.0.15"), &status).unwrap_err().into(),
        ),
        (
            "drain --server 10.1.0.5:54",
            in_table(&host("10.1.0.5:54"), &status).unwrap_err().into(),
        ),
        (
            "drain --server 10.1.0.5",
            in_table(&host("10.1.0.5"), &empty).unwrap_err().into(),
        ),
        (
            "restore --server 10.1.0.6",
            to_restore(&host("10.1.0.6"), &status).unwrap_err().into(),
        ),
        (
            "wait --server 10.1.0.6",
            to_await(&host("10.1.0.6"), &status).unwrap_err().into(),
        ),
        (
            "drain --server 10.1.0.5 < /dev/null",
            consent::must_ask(false, false, "drain", 2).unwrap_err().into(),
        ),
        (
            "drain udp:10.0.0.1:53 10.1.0.9:53",
            problem(ProblemKind::NotFound, no_server.to_string()),
        ),
        (
            "drain … --force --reason ''",
            problem(ProblemKind::Malformed, Refusal::ForceNeedsReason.to_string()),
        ),
    ];
    for (line, error) in errors {
        let code = exit::code_of(&error);
        let _ = writeln!(
            text,
            "$ ipvsdrain {line}\nipvsdrain: {error:#}\nexit code {code}\n"
        );
    }
    shows!("errors", text);
}
