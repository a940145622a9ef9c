//! `ipvsdrain drain`: ask for a drain, or for one of a host in every service, and wait for the end if told to.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::consent::{self, ConsentArgs};
use super::exit::Refused;
use super::order::OrderArgs;
use super::policy::read_secs;
use super::selection::{Selected, Selection};
use super::{Daemonward, exit, plan, waiting};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainView, PlanView, ServerName, Would};

/// Quiesce a real server, wait until it is provably idle, remove it.
#[derive(Debug, Args)]
#[command(
    override_usage = "ipvsdrain drain [OPTIONS] SERVICE SERVER\n       ipvsdrain drain [OPTIONS] --server ADDR"
)]
pub(super) struct Drain {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    daemon: Daemonward,
    #[command(flatten)]
    order: OrderArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Change nothing: print the plan, as `ipvsdrain plan` does.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Show progress until the drain is over and lost packets are counted.
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the drain goes on.
    #[arg(long, value_name = "SPAN", value_parser = read_secs, requires = "wait")]
    timeout: Option<u32>,
    /// Print the drain as JSON, as the last line; with --server ADDR one object with all of them.
    #[arg(long)]
    json: bool,
}

impl Drain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let selected = self.selection.selected()?;
        if self.dry_run {
            let names = plan::names(&client, &selected).await?;
            return Ok(plan::show(
                &plan::plans(&client, &self.order, &names).await?,
                self.json,
            ));
        }
        let (begun, left_out) = match selected {
            Selected::One(name) => (vec![client.drain(&self.order.request(name)).await?], 0),
            Selected::Host(_) => {
                let names = plan::names(&client, &selected).await?;
                let must_ask = self.consent.must_ask("drain", names.len())?;
                let plans = plan::plans(&client, &self.order, &names).await?;
                let going = admitted(&plans, self.order.force)?;
                if must_ask {
                    eprintln!("{}", plan::render(&plans));
                    if !consent::ask(&format!("Drain {} real servers?", going.len()))? {
                        eprintln!("ipvsdrain: nothing was changed");
                        return Ok(ExitCode::from(exit::CANCELLED));
                    }
                }
                (self.begin_all(&client, &going).await?, plans.len() - going.len())
            }
        };
        let of_host = matches!(selected, Selected::Host(_));
        let refused = (left_out > 0).then_some(exit::REFUSED);
        if !self.wait {
            println!("{}", waiting::render(&begun, of_host, self.json, begins));
            return Ok(ExitCode::from(exit::worst(refused.into_iter())));
        }
        let drains = waiting::wait(&client, begun, self.timeout).await?;
        println!(
            "{}",
            waiting::render(&drains, of_host, self.json, waiting::sentence)
        );
        let codes = drains.iter().map(waiting::code).chain(refused);
        Ok(ExitCode::from(exit::worst(codes)))
    }

    /// One after the other, up to the first that fails.
    async fn begin_all(&self, client: &Client, names: &[ServerName]) -> anyhow::Result<Vec<DrainView>> {
        let mut begun = Vec::new();
        for (number, name) in names.iter().enumerate() {
            match client.drain(&self.order.request(*name)).await {
                Ok(view) => begun.push(view),
                Err(error) => return Err(broken_off(&names[..number], &names[number..], error)),
            }
        }
        Ok(begun)
    }
}

fn begins(view: &DrainView) -> String {
    let DrainView {
        id, server, service, ..
    } = view;
    format!("drain {id} of {server} from {service} begins")
}

/// Those that would begin. Where one would not, none may, unless forced.
fn admitted(plans: &[PlanView], force: bool) -> Result<Vec<ServerName>, Refused> {
    let name = |plan: &PlanView| ServerName {
        service: plan.service,
        server: plan.server,
    };
    let going: Vec<ServerName> = plans
        .iter()
        .filter(|plan| plan.would == Would::Begin)
        .map(name)
        .collect();
    let refusals: Vec<String> = plans
        .iter()
        .filter_map(|plan| {
            let refusal = plan.refusal.as_ref()?;
            Some(format!("\n  {} {}: {}", plan.service, plan.server, refusal.text))
        })
        .collect();
    if refusals.is_empty() {
        return Ok(going);
    }
    let refused = format!("{} of {} would be refused", refusals.len(), plans.len());
    if force && !going.is_empty() {
        eprintln!("ipvsdrain: {refused} and are left out:{}", refusals.concat());
        return Ok(going);
    }
    Err(Refused(format!(
        "nothing was changed, for {refused}:{}",
        refusals.concat()
    )))
}

/// A host-wide order of which one part could not begin: says which parts did. The code is that of the cause only if
/// nothing was changed.
fn broken_off(begun: &[ServerName], left: &[ServerName], cause: ClientError) -> anyhow::Error {
    if begun.is_empty() {
        return cause.into();
    }
    let list = |names: &[ServerName]| {
        let lines = names
            .iter()
            .map(|name| format!("\n  {} {}", name.service, name.server));
        lines.collect::<String>()
    };
    anyhow!(
        "{cause}\nThese drains began and go on (`ipvsdrain wait` follows, `ipvsdrain restore` undoes them):{}\nThese did \
         not begin:{}",
        list(begun),
        list(left)
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, plan};
    use super::*;
    use crate::api::{Problem, ProblemKind};

    #[test]
    fn one_refusal_refuses_all_unless_forced() {
        let plans = [plan(), fixtures::refused_plan()];
        let said = admitted(&plans, false).unwrap_err().to_string();
        assert!(
            said.contains("1 of 2 would be refused") && said.contains("tcp:10.0.0.1:80"),
            "{said}"
        );
        let going = admitted(&plans, true).unwrap();
        assert_eq!(going.len(), 1);
        assert!(admitted(&plans[1..], true).is_err(), "nothing is left to do");
        assert_eq!(admitted(&plans[..1], false).unwrap(), going);
    }

    #[test]
    fn an_order_that_breaks_off_in_the_middle_says_what_began() {
        let names = fixtures::names();
        let cause = || {
            ClientError::from(Problem {
                kind: ProblemKind::Refused,
                error: "no".to_owned(),
            })
        };
        assert_eq!(exit::code_of(&broken_off(&[], &names, cause())), exit::REFUSED);
        let partly = broken_off(&names[..1], &names[1..], cause());
        assert_eq!(exit::code_of(&partly), exit::ERROR);
        let said = partly.to_string();
        let (began, did_not) = said.split_once("These did not begin").unwrap();
        assert!(began.contains(&names[0].service.to_string()), "{said}");
        assert!(did_not.contains(&names[1].service.to_string()), "{said}");
    }
}
