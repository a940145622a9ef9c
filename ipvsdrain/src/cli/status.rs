//! `ipvsdrain status`: every real server, and what is being done to it.

mod health;

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use tokio::time::interval;

use self::health::{alarms, failed, health_of};
use super::Daemonward;
use crate::api::client::Client;
use crate::api::{self, DrainView, JournalView, ServerName};
use crate::drain::{Rung, State};

/// Show services, real servers and drains.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    daemon: Daemonward,
    /// Go on showing it until interrupted: redrawn each second on a terminal, elsewhere once more when it changed.
    #[arg(long)]
    watch: bool,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

/// How often a watched status is asked for.
const EVERY: Duration = Duration::from_secs(1);
// What a terminal takes: to the upper left corner; nothing more on this line, or below it.
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\n";
const REST_OF_SCREEN: &str = "\x1b[J";

impl Status {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        if self.watch {
            return self.follow(&client).await;
        }
        let status = client.status().await?;
        println!("{}", self.text(&status)?);
        Ok(ExitCode::SUCCESS)
    }

    /// Until it is interrupted, or no daemon answers any more.
    async fn follow(&self, client: &Client) -> anyhow::Result<ExitCode> {
        let redraws = std::io::stdout().is_terminal() && !self.json;
        let mut every = interval(EVERY);
        let mut last = None;
        loop {
            every.tick().await;
            let status = client.status().await?;
            // What JSON has more changes with every look.
            let shown = render(&status);
            if redraws {
                let lines: Vec<&str> = shown.lines().collect();
                print!("{HOME}{}{REST_OF_LINE}{REST_OF_SCREEN}", lines.join(REST_OF_LINE));
                std::io::stdout().flush()?;
            } else if last.as_ref() != Some(&shown) {
                let apart = if last.is_some() && !self.json { "\n" } else { "" };
                println!("{apart}{}", self.text(&status)?);
                last = Some(shown);
            }
        }
    }

    fn text(&self, status: &api::Status) -> anyhow::Result<String> {
        Ok(if self.json {
            serde_json::to_string(status)?
        } else {
            render(status)
        })
    }
}

pub(super) fn render(status: &api::Status) -> String {
    let mut lines = journal(&status.journal);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let has_health = !status.health.is_empty();
    let shown = |cells: [String; 10]| {
        let kept = cells.into_iter().enumerate();
        kept.filter_map(move |(column, cell)| (has_health || column != HEALTH).then_some(cell))
    };
    let header = [
        "SERVICE",
        "SERVER",
        "METHOD",
        "WEIGHT",
        "ACTIVE",
        "INACTIVE",
        "STATE",
        "HEALTH",
        "LIVE FLOWS",
        "SEEN BY",
    ];
    table.set_header(shown(header.map(str::to_owned)));
    for service in &status.services {
        for server in &service.servers {
            let drain = status
                .drains
                .iter()
                .find(|drain| (drain.service, drain.server) == (service.service, server.server))
                .filter(|drain| !drain.state.is_final());
            let weight = server.configuration.weight;
            let state = drain.map_or_else(
                || status.journal.word_without_drain(weight).to_owned(),
                |drain| drain.state.to_string(),
            );
            let health = health_of(status, service.service, server.server);
            table.add_row(shown([
                service.service.to_string(),
                server.server.to_string(),
                server.configuration.forwarding.words().to_owned(),
                weight.to_string(),
                server.active.to_string(),
                server.inactive.to_string(),
                state,
                health.map(|health| health.word().to_owned()).unwrap_or_default(),
                drain.map(live).unwrap_or_default(),
                drain
                    .and_then(|drain| drain.rung)
                    .map(|rung| rung.to_string())
                    .unwrap_or_default(),
            ]));
        }
    }
    for column in 3..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines.push(table.to_string());
    lines.extend(alarms(&status.health));
    for drain in &status.drains {
        let health = health_of(status, drain.service, drain.server);
        let said = [failed(drain, health), more(drain)].concat();
        if !said.is_empty() {
            lines.push(format!(
                "\n{} {}: {}",
                drain.service,
                drain.server,
                said.join("\n  ")
            ));
        }
    }
    lines.join("\n")
}

/// Which column is left out while nobody speaks of any server.
const HEALTH: usize = 7;

/// Why nothing is done, and whose weight may have to be given back by hand; nothing while the journal works.
fn journal(journal: &JournalView) -> Vec<String> {
    let Some(fault) = &journal.fault else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "the journal does not work, nothing is begun, changed or removed: {fault}"
    )];
    let may_be_drains = journal.at_weight_zero.iter();
    lines.extend(may_be_drains.map(|ServerName { service, server }| {
        format!("  at weight 0, perhaps by a drain of that journal: {service} {server}")
    }));
    lines.push(String::new());
    lines
}

fn live(drain: &DrainView) -> String {
    match (drain.live, drain.rung) {
        (Some(live), _) => live.total().to_string(),
        (None, Some(Rung::Counters)) => "not countable".to_owned(),
        (None, _) => "unknown".to_owned(),
    }
}

/// What does not fit into the table: why it stands where it does, and what became of the packets.
fn more(drain: &DrainView) -> Vec<String> {
    let mut lines = Vec::new();
    let is_counting = drain.state == State::Removed && drain.verdict.is_none();
    lines.extend(is_counting.then(|| "removed; its last packets are being counted".to_owned()));
    lines.extend(drain.verdict.clone().or_else(|| drain.held.clone()));
    let cause = drain.rung.zip(drain.rung_cause.as_ref()).filter(|_| !drain.over);
    lines.extend(cause.map(|(rung, cause)| format!("seen by {rung}: {cause}")));
    lines.extend(
        drain
            .leaks
            .as_ref()
            .filter(|_| !drain.over)
            .map(|leaks| format!("leaking: {leaks}")),
    );
    lines.extend((drain.overdue && !drain.over).then(|| "overdue: its deadline has passed".to_owned()));
    lines.extend(packets(drain));
    lines
}

fn packets(drain: &DrainView) -> Option<String> {
    let forwarded = drain.forwarded?;
    let Some(arrivals) = drain.arrivals else {
        return (!drain.over).then(|| format!("packets: {forwarded} forwarded"));
    };
    Some(format!(
        "packets: {} arrived, {forwarded} forwarded here and {} to other servers ({} flows re-scheduled), {} lost",
        arrivals.arrived, arrivals.elsewhere, arrivals.moved, arrivals.lost
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{LIVE, view};
    use super::*;
    use crate::drain::Arrivals;

    #[test]
    fn flows_that_cannot_be_counted_are_not_none() {
        assert_eq!(live(&view()), "unknown");
        let by = |rung, live_flows| {
            live(&DrainView {
                rung: Some(rung),
                live: live_flows,
                ..view()
            })
        };
        assert_eq!(by(Rung::Counters, None), "not countable");
        assert_eq!(by(Rung::Probes, Some(LIVE)), "4");
    }

    #[test]
    fn a_journal_that_does_not_work_is_the_first_thing_said() {
        let works = JournalView {
            ok: true,
            fault: None,
            drains_known: true,
            at_weight_zero: Vec::new(),
        };
        assert!(journal(&works).is_empty());
        let broken = JournalView {
            ok: false,
            fault: Some("garbage".to_owned()),
            drains_known: false,
            at_weight_zero: vec![ServerName {
                service: view().service,
                server: view().server,
            }],
        };
        let said = journal(&broken);
        assert_eq!(
            said[0],
            "the journal does not work, nothing is begun, changed or removed: garbage"
        );
        assert!(
            said[1].ends_with(&format!("{} {}", view().service, view().server)),
            "{said:?}"
        );
    }

    #[test]
    fn what_became_of_the_packets_is_told_where_it_is_known() {
        let unseen = view();
        assert!(more(&unseen).is_empty());
        let seen = DrainView {
            rung: Some(Rung::Arrivals),
            rung_cause: Some("no kprobes".to_owned()),
            forwarded: Some(7),
            ..view()
        };
        assert_eq!(
            more(&seen),
            ["seen by arrivals with seed: no kprobes", "packets: 7 forwarded"]
        );
        let counted = DrainView {
            state: State::Removed,
            arrivals: Some(Arrivals {
                arrived: 10,
                elsewhere: 2,
                moved: 1,
                lost: 1,
            }),
            ..seen
        };
        let packets =
            "packets: 10 arrived, 7 forwarded here and 2 to other servers (1 flows re-scheduled), 1 lost";
        assert_eq!(
            more(&counted),
            [
                "removed; its last packets are being counted",
                "seen by arrivals with seed: no kprobes",
                packets
            ]
        );
        let over = DrainView {
            over: true,
            verdict: Some("removed: so".to_owned()),
            ..counted
        };
        assert_eq!(more(&over), ["removed: so", packets]);
    }
}
