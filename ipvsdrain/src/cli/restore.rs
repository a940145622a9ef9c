//! `ipvsdrain restore`: undo a drain, or all drains of a host.

use std::process::ExitCode;

use clap::Args;

use super::consent::{self, ConsentArgs};
use super::selection::{self, Selected, Selection};
use super::{Daemonward, exit, waiting};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainView, ServerName};
use crate::drain::State;

/// Give a drained real server its own weight back, or put it back if it was removed.
#[derive(Debug, Args)]
#[command(
    override_usage = "ipvsdrain restore [OPTIONS] SERVICE SERVER\n       ipvsdrain restore [OPTIONS] --server ADDR"
)]
pub(super) struct Restore {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    daemon: Daemonward,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Print the drain as JSON; with --server ADDR one object with all of them.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let host = match self.selection.selected()? {
            Selected::One(name) => {
                let view = restored(&client, &name).await?;
                println!(
                    "{}",
                    waiting::render(std::slice::from_ref(&view), false, self.json, said)
                );
                return Ok(ExitCode::from(code(&view)));
            }
            Selected::Host(host) => host,
        };
        let names = selection::to_restore(&host, &client.status().await?)?;
        if self.consent.must_ask("restore", names.len())?
            && !consent::ask(&format!("Restore {host} in {} services?", names.len()))?
        {
            eprintln!("ipvsdrain: nothing was changed");
            return Ok(ExitCode::from(exit::CANCELLED));
        }
        let (mut views, mut codes) = (Vec::new(), Vec::new());
        for name in &names {
            // What can come back does, whatever becomes of the others.
            match restored(&client, name).await {
                Ok(view) => {
                    codes.push(code(&view));
                    views.push(view);
                }
                Err(error) => {
                    let error =
                        anyhow::Error::new(error).context(format!("{} {}", name.service, name.server));
                    eprintln!("ipvsdrain: {error:#}");
                    codes.push(exit::code_of(&error));
                }
            }
        }
        println!("{}", waiting::render(&views, true, self.json, said));
        Ok(ExitCode::from(exit::worst(codes.into_iter())))
    }
}

/// Turned around, and over or held.
async fn restored(client: &Client, name: &ServerName) -> Result<DrainView, ClientError> {
    let mut view = client.restore(name).await?;
    while !view.over && view.held.is_none() {
        view = client.newer(name, Some(view.revision)).await?;
    }
    Ok(view)
}

pub(super) fn said(view: &DrainView) -> String {
    view.verdict
        .clone()
        .or_else(|| view.held.clone())
        .unwrap_or_default()
}

const fn code(view: &DrainView) -> u8 {
    match view.state {
        State::Restored => exit::DONE,
        State::Yielded => exit::CANCELLED,
        _ => exit::ERROR,
    }
}
