//! How far each guest is: a moving line on a terminal, plain lines elsewhere. All on standard error.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::lab::Event;

#[derive(Debug)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

/// One guest's line.
#[derive(Debug)]
pub struct Line {
    kernel: String,
    bar: Option<ProgressBar>,
    step: Mutex<String>,
}

impl Progress {
    pub fn start() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }

    pub fn line(&self, kernel: &str) -> Line {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let line = Line {
            kernel: kernel.to_owned(),
            bar,
            step: Mutex::default(),
        };
        line.say("preparing the guest");
        line
    }

    /// Clears what moves, so that the tables stand alone.
    pub fn end(&self) {
        if let Some(bars) = &self.bars {
            // Only the look of the terminal is at stake.
            let _ = bars.clear();
        }
    }
}

impl Line {
    pub fn show(&self, event: &Event) {
        match event {
            Event::Booted { kernel, .. } => self.say(&format!("{kernel} is up")),
            Event::Progress { data, .. } => {
                let strategy = data["strategy"].as_str().unwrap_or_default();
                if let Some(step) = data["step"].as_str() {
                    self.say(&format!("{strategy}: {step}"));
                } else if let Some(lost) = data["outcome"]["lost"].as_u64() {
                    let sent = data["outcome"]["sent"].as_u64().unwrap_or_default();
                    self.say(&format!("{strategy}: {lost} of {sent} requests lost"));
                }
            }
            Event::Alive { guest_seconds } => self.tick(*guest_seconds),
            Event::Trouble { text } => self.say(text),
            _ => {}
        }
    }

    fn say(&self, step: &str) {
        let Ok(mut current) = self.step.lock() else { return };
        step.clone_into(&mut current);
        match &self.bar {
            Some(bar) => bar.set_message(format!("kernel {}: {step}", self.kernel)),
            None => eprintln!("demo: kernel {}: {step}", self.kernel),
        }
    }

    /// Only what moves shows the guest's clock: it runs ahead of ours while the guest is idle.
    fn tick(&self, guest_seconds: f64) {
        if let (Some(bar), Ok(step)) = (&self.bar, self.step.lock()) {
            bar.set_message(format!(
                "kernel {}: {step} (guest clock {guest_seconds:.0} s)",
                self.kernel
            ));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
