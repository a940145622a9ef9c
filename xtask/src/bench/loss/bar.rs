//! How far the benchmark is, and when it will be done: a moving bar on a terminal, a line per boot elsewhere. All on
//! standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::plan::Boot;

/// A boot takes so long by the guest's clock; how long that is by ours, the run itself shows.
const GUEST_SECONDS: f64 = 520.0;
/// Parts of one world's run.
const PARTS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Bar {
    shown: Option<ProgressBar>,
    begin: Instant,
    worlds: f64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: f64,
    /// By kernel, of the boot that is up: worlds, and how far they are.
    up: BTreeMap<String, f64>,
}

impl Bar {
    pub(super) fn start(worlds: usize) -> Self {
        let shown = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new((worlds as u64) * 100);
            let template = "{bar:30} {percent} % [{elapsed_precise}, left {eta_precise}] {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        Self {
            shown,
            begin: Instant::now(),
            worlds: number(worlds),
            state: Mutex::default(),
        }
    }

    pub(super) fn booted(&self, boot: &Boot, release: &str) {
        match &self.shown {
            Some(bar) => bar.set_message(format!("{release} is up")),
            None => eprintln!("bench: {release} is up: {boot}"),
        }
    }

    pub(super) fn alive(&self, boot: &Boot, guest_seconds: f64) {
        self.change(|state| {
            let part = (guest_seconds / GUEST_SECONDS).min(1.0);
            state
                .up
                .insert(boot.place.to_string(), part * number(boot.worlds()));
        });
    }

    pub(super) fn ended(&self, boot: &Boot) {
        let done = self.change(|state| {
            state.up.remove(&boot.place.to_string());
            state.ended += number(boot.worlds());
        });
        if self.shown.is_none() {
            let elapsed = self.begin.elapsed();
            let left = elapsed.mul_f64((self.worlds / done.max(0.01) - 1.0).max(0.0));
            eprintln!(
                "bench: {done:.0} of {} worlds after {} min, {} min left",
                self.worlds,
                elapsed.as_secs() / 60,
                left.as_secs() / 60
            );
        }
    }

    pub(super) fn say(&self, text: &str) {
        match &self.shown {
            Some(bar) => bar.println(text),
            None => eprintln!("bench: {text}"),
        }
    }

    /// Worlds done, those under way in parts.
    fn change(&self, change: impl FnOnce(&mut State)) -> f64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let done = state.ended + state.up.values().sum::<f64>();
        if let Some(bar) = &self.shown {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "parts of a bar"
            )]
            bar.set_position((done * PARTS) as u64);
        }
        done
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand worlds")]
fn number(worlds: usize) -> f64 {
    worlds as f64
}
