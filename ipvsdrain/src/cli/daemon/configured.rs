//! The configuration of a running daemon: which file it is, and what happens when it is to be read again.
//!
//! A reload is all or nothing: a file that is refused changes nothing.

use std::path::PathBuf;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::clock;
use crate::config::{self, Config, ConfigError, Reloads, Settings};
use crate::supervise::{Command, Handle};

#[derive(Debug)]
pub(super) struct Configured {
    /// `None`: there is no file, and no one asked for one.
    file: Option<PathBuf>,
    current: watch::Sender<Config>,
    reloads: watch::Sender<Reloads>,
}

impl Configured {
    /// Reads the file that was named, or else the usual one if it is there.
    pub(super) fn read(named: Option<PathBuf>) -> Result<Self, ConfigError> {
        let usual = PathBuf::from(config::DEFAULT_PATH);
        let file = named.or_else(|| usual.exists().then_some(usual));
        let config = file
            .as_deref()
            .map_or_else(|| Ok(Config::default()), config::read)?;
        Ok(Self {
            file,
            current: watch::channel(config).0,
            reloads: watch::channel(Reloads::since(clock::now_unix())).0,
        })
    }

    pub(super) fn current(&self) -> watch::Receiver<Config> {
        self.current.subscribe()
    }

    pub(super) fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.subscribe()
    }

    /// Says which file it is.
    pub(super) fn say(&self) {
        if let Some(file) = &self.file {
            info!(file = %file.display(), "configured");
        } else {
            info!("no configuration file: built-in defaults");
        }
    }

    /// Reads the file again and follows it, if it is not refused. Returns what became of it, in a sentence.
    pub(super) async fn reload(&self, handle: &Handle) -> String {
        let Some(file) = &self.file else {
            warn!("nothing to reload: there was no configuration file at the start");
            return "no configuration file to reload".to_owned();
        };
        match config::read(file) {
            Ok(config) => {
                for table in waiting(&self.current.borrow().settings, &config.settings) {
                    warn!(file = %file.display(), "what changed in [{table}] is followed from the next start on");
                }
                let rules = Box::new(config.rules.clone());
                // Whoever took the commands has ended: so does the daemon.
                drop(handle.commands.send(Command::Follow { rules }).await);
                self.current.send_replace(config);
                self.reloads
                    .send_modify(|reloads| reloads.take(clock::now_unix()));
                info!(file = %file.display(), "configuration reloaded: drains from now on follow it");
                "configuration reloaded".to_owned()
            }
            Err(refused) => {
                self.reloads.send_modify(Reloads::refuse);
                error!("configuration not reloaded, nothing has changed: {refused}");
                format!("configuration not reloaded: {refused}")
            }
        }
    }
}

/// The tables that are read at the start alone, and are not as they were then.
fn waiting(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let tables = [
        ("daemon", before.daemon != now.daemon),
        ("web", before.web != now.web),
    ];
    let changed = tables.into_iter().filter(|(_, has_changed)| *has_changed);
    changed.map(|(table, _)| table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_read_at_the_start_alone_waits_and_nothing_else_does() {
        let before = settings("[web]\nlisten = \"off\"");
        let change = |text: &str| waiting(&before, &settings(text));
        assert_eq!(change("[web]\nlisten = \"off\""), Vec::<&str>::new());
        assert_eq!(
            change("[web]\nlisten = \"off\"\n[maintenance]\nfolder = \"/m\""),
            Vec::<&str>::new()
        );
        assert_eq!(change("[web]\nlisten = \"127.0.0.1:80\""), ["web"]);
        assert_eq!(change("[daemon]\nlog = \"json\""), ["daemon", "web"]);
    }
}
