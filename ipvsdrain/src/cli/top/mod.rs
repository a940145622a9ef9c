//! `ipvsdrain top`: the host in one screen, renewed each second.
//!
//! Here the terminal, the keys and the daemon are heard; [`model`] keeps what was heard and [`draw`] makes a frame of it,
//! both pure. Nothing is asked of the daemon but what it shows to everyone.

mod draw;
mod model;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::model::{Model, Sample};
use super::{Daemonward, exit};
use crate::api::client::Client;

/// Watch services, servers and drains live. Keys: arrows select, enter explains, ? helps, q quits.
#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    daemon: Daemonward,
}

const EVERY: Duration = Duration::from_secs(1);
/// A daemon that has not answered by then is as good as gone.
const PATIENCE: Duration = Duration::from_secs(5);

enum Input {
    Sample(Box<Sample>),
    Terminal(Event),
    /// The terminal cannot be read any more.
    Closed(std::io::Error),
}

impl Top {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if !std::io::stdout().is_terminal() {
            eprintln!(
                "ipvsdrain: top needs a terminal: standard output is none. `ipvsdrain status` prints the same once"
            );
            return Ok(ExitCode::from(exit::USAGE));
        }
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let (sender, mut inputs) = channel(16);
        tokio::spawn(poll(self.daemon.client(), sender.clone()));
        let mut terminal = ratatui::try_init().context("take over the terminal")?;
        // It ends with the process: reading keys cannot be interrupted.
        thread::spawn(move || hear(&sender));
        let ended = tokio::select! {
            ended = watch(&mut terminal, &mut inputs) => ended,
            _ = terminate.recv() => Ok(()),
        };
        ratatui::try_restore().context("give the terminal back")?;
        ended.map(|()| ExitCode::SUCCESS)
    }
}

/// Draws after each input, until asked to quit.
async fn watch(terminal: &mut DefaultTerminal, inputs: &mut Receiver<Input>) -> anyhow::Result<()> {
    let mut model = Model::default();
    loop {
        terminal
            .draw(|frame| draw::frame(frame, &model))
            .context("draw on the terminal")?;
        match inputs.recv().await {
            Some(Input::Sample(sample)) => model.take(*sample),
            Some(Input::Terminal(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                if model.press(key) {
                    return Ok(());
                }
            }
            // The next frame has the new size.
            Some(Input::Terminal(_)) => {}
            Some(Input::Closed(error)) => return Err(error).context("read from the terminal"),
            None => return Ok(()),
        }
    }
}

async fn poll(client: Client, sender: Sender<Input>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let sample = match timeout(PATIENCE, client.status()).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "the daemon has not answered for {} s",
                PATIENCE.as_secs()
            )),
        };
        if sender.send(Input::Sample(Box::new(sample))).await.is_err() {
            return;
        }
    }
}

fn hear(sender: &Sender<Input>) {
    loop {
        let (input, is_last) = match event::read() {
            Ok(event) => (Input::Terminal(event), false),
            Err(error) => (Input::Closed(error), true),
        };
        if sender.blocking_send(input).is_err() || is_last {
            return;
        }
    }
}
