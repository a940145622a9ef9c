//! What a waiting person sees: one line that is redrawn on a terminal, one line per change elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

use crate::api::DrainView;

#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a fixed template");
            ProgressBar::new_spinner().with_style(style)
        });
        Self {
            bar,
            last: String::new(),
        }
    }

    pub(super) fn show(&mut self, view: &DrainView) {
        let line = sentence(view);
        let stamped = format!("{:>4.0} s  {line}", view.seconds_since_start);
        if let Some(bar) = &self.bar {
            bar.set_message(stamped);
            bar.tick();
        } else if line != self.last {
            eprintln!("{stamped}");
            self.last = line;
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn sentence(view: &DrainView) -> String {
    let live = match (&view.live, view.state.is_final()) {
        (Some(live), false) => {
            format!(
                ": {} live flows ({} UDP, {} open TCP, {} closing)",
                live.total(),
                live.udp,
                live.tcp_open,
                live.tcp_closing
            )
        }
        _ => String::new(),
    };
    let held = view
        .held
        .as_deref()
        .map(|held| format!("; held: {held}"))
        .unwrap_or_default();
    format!("{}{live}{held}", view.state)
}
