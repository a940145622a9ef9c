//! `ipvsdrain history`: the drains that were, and those under way, as the journal has them.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::Daemonward;
use super::policy::read_secs;
use crate::api::{DEFAULT_PAST, HistoryAsked, HistoryView, LARGEST_PAST, PastDrain};
use crate::clock;
use crate::drain::Reason;
use crate::identity::{RealServer, VirtualService};

/// Show past drains and those under way, newest first.
#[derive(Debug, Args)]
pub(super) struct History {
    #[command(flatten)]
    daemon: Daemonward,
    /// Of this virtual service alone.
    #[arg(long)]
    service: Option<VirtualService>,
    /// Of this real server alone.
    #[arg(long)]
    server: Option<RealServer>,
    /// Begun no longer ago than this, such as 2h or 7d.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    since: Option<u32>,
    /// Show so many drains at most.
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_PAST,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_PAST)),
    )]
    limit: u32,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let from = |secs: u32| clock::now_unix().saturating_sub(u64::from(secs));
        let asked = HistoryAsked {
            service: self.service,
            server: self.server,
            from: self.since.map(from),
            limit: self.limit,
        };
        let view = self.daemon.client().history(&asked).await?;
        if self.json {
            println!("{}", serde_json::to_string(&view)?);
        } else {
            println!("{}", render(&view));
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) fn render(view: &HistoryView) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "BEGAN", "SERVICE", "SERVER", "REASON", "WHO", "TICKET", "STATE", "SECONDS", "OUTCOME",
    ]);
    table.add_rows(view.drains.iter().map(row));
    if let Some(column) = table.column_mut(7) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(drain: &PastDrain) -> [String; 9] {
    let reason = match drain.why.as_str() {
        "" => drain.reason.to_string(),
        why => format!("{}: {why}", drain.reason),
    };
    let reason = match failed(drain) {
        Some(failed) => format!("{reason} ({failed})"),
        None => reason,
    };
    [
        drain.began.clone(),
        drain.service.to_string(),
        drain.server.to_string(),
        reason,
        drain.who.clone(),
        drain.ticket.clone(),
        drain.state.to_string(),
        drain
            .seconds_to_end
            .map(|secs| format!("{secs:.0}"))
            .unwrap_or_default(),
        outcome(drain),
    ]
}

/// How often it failed lately, and whether it was up again; or what had failed before maintenance took over.
fn failed(drain: &PastDrain) -> Option<String> {
    let failure = drain.failure.as_ref()?;
    if drain.reason != Reason::Failure {
        return Some(format!("had failed: {}", failure.cause));
    }
    let recovered = match (failure.recovered, drain.over) {
        (true, _) => Some("recovered".to_owned()),
        (false, true) => Some("not recovered".to_owned()),
        (false, false) => None,
    };
    let often = (failure.level > 1).then(|| format!("{} times lately", failure.level));
    let said: Vec<String> = [often, recovered].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// The verdict, without the state that stands before it.
fn outcome(drain: &PastDrain) -> String {
    let Some(verdict) = &drain.verdict else {
        return "not over yet".to_owned();
    };
    let state = format!("{}: ", drain.state);
    verdict.strip_prefix(&state).unwrap_or(verdict).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{past, past_failure};
    use super::*;
    use crate::api::FailureView;
    use crate::drain::State;

    #[test]
    fn a_row_tells_who_wanted_what_and_what_came_of_it() {
        assert_eq!(
            row(&past()),
            [
                "2026-09-21T14:13:20Z",
                "udp:10.0.0.1:53",
                "10.1.0.5:53",
                "planned: kernel update",
                "ann",
                "CHG-7",
                "removed",
                "45",
                "proven empty; 0 packets lost, 2 flows re-scheduled",
            ]
        );
    }

    #[test]
    fn a_failure_tells_how_often_it_came_and_whether_it_went() {
        let reason = |drain: &PastDrain| row(drain)[3].clone();
        let recovered = past_failure();
        assert_eq!(
            reason(&recovered),
            "failure: connection refused (2 times lately, recovered)"
        );
        let failure = |level, recovered| {
            let of = FailureView {
                level,
                recovered,
                ..past_failure().failure.unwrap()
            };
            Some(of)
        };
        let removed = PastDrain {
            failure: failure(1, false),
            ..past_failure()
        };
        assert_eq!(reason(&removed), "failure: connection refused (not recovered)");
        let under_way = PastDrain {
            over: false,
            ..removed
        };
        assert_eq!(reason(&under_way), "failure: connection refused");
        let taken_over = PastDrain {
            failure: failure(1, false),
            ..past()
        };
        assert_eq!(
            reason(&taken_over),
            "planned: kernel update (had failed: connection refused)"
        );
    }

    #[test]
    fn what_is_not_over_has_no_outcome() {
        let under_way = PastDrain {
            state: State::Draining,
            seconds_to_end: None,
            verdict: None,
            why: String::new(),
            ..past()
        };
        let row = row(&under_way);
        assert_eq!([&row[3], &row[7], &row[8]], ["planned", "", "not over yet"]);
    }
}
