//! Where log lines go: stderr, so that a journal or a person reads them and JSON on stdout stays clean.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// One line per event; `IPVSDRAIN_LOG` takes a filter such as `debug` or `ipvsdrain::observe=debug`.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("IPVSDRAIN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Human => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).init(),
    }
}
