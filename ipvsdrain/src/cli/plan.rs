//! `ipvsdrain plan`: what would become of a drain. Changes nothing.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::order::OrderArgs;
use super::selection::{self, Selected, Selection};
use super::{Daemonward, exit};
use crate::api::client::Client;
use crate::api::{CapacityView, PlanView, RefusalView, ServerName, Would};
use crate::drain::{Policy, Refusal};

/// Say what would become of a drain, and what is worth knowing before it. Changes nothing.
#[derive(Debug, Args)]
#[command(
    override_usage = "ipvsdrain plan [OPTIONS] SERVICE SERVER\n       ipvsdrain plan [OPTIONS] --server ADDR"
)]
pub(super) struct Plan {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    daemon: Daemonward,
    #[command(flatten)]
    order: OrderArgs,
    /// Print the plans as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let names = names(&client, &self.selection.selected()?).await?;
        let plans = plans(&client, &self.order, &names).await?;
        Ok(show(&plans, self.json))
    }
}

/// The places that are meant.
pub(super) async fn names(client: &Client, selected: &Selected) -> anyhow::Result<Vec<ServerName>> {
    Ok(match selected {
        Selected::One(name) => vec![*name],
        Selected::Host(host) => selection::in_table(host, &client.status().await?)?,
    })
}

/// What would become of each, if all were asked for in this order.
pub(super) async fn plans(
    client: &Client,
    order: &OrderArgs,
    names: &[ServerName],
) -> anyhow::Result<Vec<PlanView>> {
    let mut plans = Vec::new();
    for name in names {
        plans.push(client.plan(&order.request(*name)).await?);
    }
    together(&mut plans);
    Ok(plans)
}

/// Each was planned as if it were alone. Where two are behind one service, one goes after the other.
fn together(plans: &mut [PlanView]) {
    for number in 1..plans.len() {
        let (earlier, later) = plans.split_at_mut(number);
        let Some(plan) = later.first_mut() else { return };
        let gone = earlier
            .iter()
            .filter(|other| other.service == plan.service && other.would == Would::Begin && other.weight > 0);
        for other in gone {
            let capacity = &mut plan.capacity;
            capacity.servers_before = capacity.servers_before.saturating_sub(1);
            capacity.servers_after = capacity.servers_after.saturating_sub(1);
            let weight = u64::from(other.weight);
            capacity.weight_before = capacity.weight_before.saturating_sub(weight);
            capacity.weight_after = capacity.weight_after.saturating_sub(weight);
        }
        let spared = plan.forced || plan.shadow || plan.weight == 0 || plan.would == Would::Refused;
        if let (false, Err(shortfall)) = (spared, plan.capacity.check()) {
            plan.would = Would::Refused;
            plan.refusal = Some(RefusalView::from(&Refusal::Floor {
                service: plan.service,
                server: plan.server,
                shortfall,
            }));
        }
    }
}

/// Prints plans, and tells by the code whether all would begin.
pub(super) fn show(plans: &[PlanView], as_json: bool) -> ExitCode {
    if as_json {
        println!("{}", json!({ "plans": plans }));
    } else {
        print!("{}", render(plans));
    }
    let all = plans.iter().all(|plan| plan.would == Would::Begin);
    ExitCode::from(if all { exit::DONE } else { exit::REFUSED })
}

/// A table, and what does not fit into it.
pub(super) fn render(plans: &[PlanView]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "SERVICE", "SERVER", "WEIGHT", "WOULD", "SERVERS", "CAPACITY", "FLOOR",
    ]);
    for plan in plans {
        let CapacityView { floor, .. } = plan.capacity;
        table.add_row([
            plan.service.to_string(),
            plan.server.to_string(),
            plan.weight.to_string(),
            would(plan).to_owned(),
            servers(&plan.capacity),
            weight(&plan.capacity),
            format!("{} servers, {} %", floor.servers, floor.weight_percent),
        ]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for plan in plans {
        let _ = write!(text, "\n{} {}: {}\n", plan.service, plan.server, verdict(plan));
        let _ = writeln!(text, "  policy: {}", policy(&plan.policy));
        for hazard in &plan.hazards {
            let _ = writeln!(text, "  hazard, {}: {}", hazard.about, hazard.what);
            let _ = writeln!(text, "    remedy: {}", hazard.remedy);
        }
    }
    text
}

const fn would(plan: &PlanView) -> &'static str {
    match plan.would {
        Would::Begin => "begin",
        Would::Refused => "be refused",
    }
}

fn verdict(plan: &PlanView) -> String {
    match &plan.refusal {
        Some(refusal) => format!("would be refused: {}", refusal.text),
        None if plan.shadow => "would begin in shadow mode: decided, and nothing changed".to_owned(),
        None if plan.forced => "would begin, in spite of the floor".to_owned(),
        None => "would begin".to_owned(),
    }
}

fn servers(capacity: &CapacityView) -> String {
    format!(
        "{} -> {} of {}",
        capacity.servers_before, capacity.servers_after, capacity.servers_total
    )
}

fn weight(capacity: &CapacityView) -> String {
    format!(
        "{} -> {} of {} ({} %)",
        capacity.weight_before,
        capacity.weight_after,
        capacity.weight_total,
        capacity.after().percent_left()
    )
}

/// In the words of the options and of the configuration; the floor stands in the table, and a failure is no plan.
fn policy(policy: &Policy) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(policy) else {
        return String::new();
    };
    let told = fields
        .iter()
        .filter(|(name, value)| !["floor", "failure"].contains(&name.as_str()) && !value.is_null());
    let words: Vec<String> = told
        .map(|(name, value)| match value.as_str() {
            Some(word) => format!("{name} {word}"),
            None => format!("{name} {value}"),
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::plan;
    use super::*;

    #[test]
    fn two_servers_of_one_service_cross_the_floor_together() {
        let second = PlanView {
            server: "10.1.0.5:54".parse().unwrap(),
            ..plan()
        };
        let mut plans = [plan(), second.clone()];
        plans[0].capacity.floor.servers = 2;
        plans[1].capacity.floor.servers = 2;
        together(&mut plans);
        assert_eq!(
            plans.each_ref().map(|plan| plan.would),
            [Would::Begin, Would::Refused]
        );
        assert_eq!(
            (plans[1].capacity.servers_before, plans[1].capacity.servers_after),
            (2, 1)
        );
        let said = &plans[1].refusal.as_ref().unwrap().text;
        assert!(said.contains("1 of 3 servers"), "{said}");

        let elsewhere = PlanView {
            service: "tcp:10.0.0.1:80".parse().unwrap(),
            ..second
        };
        let mut apart = [plan(), elsewhere.clone()];
        together(&mut apart);
        assert_eq!(apart, [plan(), elsewhere], "services do not share their capacity");
    }
}
