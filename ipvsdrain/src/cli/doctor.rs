//! `ipvsdrain doctor`: is this host fit for drains? Needs no daemon, and says whether one answers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use super::{Daemonward, exit};
use crate::config::{self, DEFAULT_STATE};
use crate::doctor::{Asked, Check, Repair, Verdict, gather, judge, repair};

/// Look this host over: is it fit for drains, and what do its settings mean for them? Needs no daemon.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    daemon: Daemonward,
    /// Folder of the journal. [default: as configured, else /var/lib/ipvsdrain]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Judge by what this configuration allows, instead of by /etc/ipvsdrain/config.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Mend what is safe to mend and can be undone, and say what was done: load `ip_vs`, mount the bpf file system, make
    /// the folder of the journal. No sysctl is set; what to write into sysctl.d is said.
    #[arg(long)]
    fix: bool,
    /// Print the checks as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = config::read_or_default(config::find(self.config).as_deref())?;
        let asked = Asked {
            state: self
                .state
                .or(config.settings.daemon.state)
                .unwrap_or_else(|| DEFAULT_STATE.into()),
            socket: self.daemon.socket,
            rules: config.rules,
        };
        let mut facts = gather(&asked).await;
        let mut repairs = Vec::new();
        if self.fix {
            repairs = repair(&facts);
            facts = gather(&asked).await;
        }
        let checks = judge(&facts);
        if self.json {
            println!("{}", json(&checks, &repairs)?);
        } else {
            print!("{}", text(&checks, &repairs));
        }
        let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
        Ok(ExitCode::from(if failed { exit::ERROR } else { exit::DONE }))
    }
}

fn json(checks: &[Check], repairs: &[Repair]) -> serde_json::Result<String> {
    let done: Vec<&String> = repairs.iter().filter_map(|repair| repair.as_ref().ok()).collect();
    let failed: Vec<&String> = repairs
        .iter()
        .filter_map(|repair| repair.as_ref().err())
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({
        "checks": checks, "repaired": done, "not_repaired": failed,
    }))
}

fn text(checks: &[Check], repairs: &[Repair]) -> String {
    let mut lines = Vec::new();
    for repair in repairs {
        lines.push(match repair {
            Ok(done) => format!("fixed: {done}"),
            Err(why) => format!("not fixed: {why}"),
        });
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["CHECK", "VERDICT", "FOUND"]);
    for check in checks {
        table.add_row([check.name.as_str(), check.verdict.word(), check.found.as_str()]);
    }
    lines.push(table.trim_fmt());
    let advised: Vec<&Check> = checks.iter().filter(|check| !check.advice.is_empty()).collect();
    if !advised.is_empty() {
        lines.push(String::new());
    }
    for check in advised {
        lines.push(format!("{}: {}", check.name, check.advice));
    }
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    lines.push(format!(
        "\n{} ok, {} to know, {} in the way of drains\n",
        number(Verdict::Ok),
        number(Verdict::Warn),
        number(Verdict::Fail)
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::{json, text};
    use crate::doctor::judge;
    use crate::doctor::judge_tests::healthy;
    use crate::doctor::{Check, Repair};

    fn broken() -> (Vec<Check>, Vec<Repair>) {
        let mut facts = healthy();
        facts.settings.insert("run_estimation".to_owned(), "0".to_owned());
        facts.controllers = vec!["keepalived".to_owned()];
        let repairs = vec![
            Ok("mounted a bpf file system".to_owned()),
            Err("make the folder /x: EROFS".to_owned()),
        ];
        (judge(&facts), repairs)
    }

    #[test]
    fn help() {
        let mut command = Cli::command();
        command.build();
        let doctor = command.find_subcommand_mut("doctor").unwrap();
        insta::assert_snapshot!(doctor.render_long_help());
    }

    #[test]
    fn table() {
        let (checks, repairs) = broken();
        insta::assert_snapshot!(text(&checks, &repairs));
    }

    #[test]
    fn as_json() {
        let (checks, repairs) = broken();
        insta::assert_snapshot!(json(&checks, &repairs).unwrap());
    }
}
