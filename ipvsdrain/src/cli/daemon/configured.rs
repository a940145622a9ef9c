//! The configuration of a running daemon: which file it is, and what happens when it is to be read again.
//!
//! A reload is all or nothing: a file that is refused changes nothing.

use std::path::PathBuf;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::cli::guard;
use crate::clock;
use crate::config::{self, Config, Reloads, Settings};
use crate::supervise::{Command, Handle};
use crate::web::Guard;

#[derive(Debug)]
pub(super) struct Configured {
    /// `None`: there is no file, and no one asked for one.
    file: Option<PathBuf>,
    current: watch::Sender<Config>,
    guard: watch::Sender<Guard>,
    reloads: watch::Sender<Reloads>,
}

impl Configured {
    /// Reads the file that was named, or else the usual one if it is there.
    pub(super) fn read(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let usual = PathBuf::from(config::DEFAULT_PATH);
        let file = named.or_else(|| usual.exists().then_some(usual));
        let config = file
            .as_deref()
            .map_or_else(|| Ok(Config::default()), config::read)?;
        let guard = guard::load(file.as_deref(), &config.settings.web).map_err(anyhow::Error::msg)?;
        Ok(Self {
            file,
            current: watch::channel(config).0,
            guard: watch::channel(guard).0,
            reloads: watch::channel(Reloads::since(clock::now_unix())).0,
        })
    }

    /// Who may look over HTTP.
    pub(super) fn guard(&self) -> watch::Receiver<Guard> {
        self.guard.subscribe()
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
        self.warn();
    }

    fn warn(&self) {
        if let Some(warning) = self.current.borrow().settings.web.warning() {
            warn!("{warning}");
        }
    }

    /// Reads the file again and follows it, if it is not refused. Returns what became of it, in a sentence.
    pub(super) async fn reload(&self, handle: &Handle) -> String {
        let Some(file) = &self.file else {
            warn!("nothing to reload: there was no configuration file at the start");
            return "no configuration file to reload".to_owned();
        };
        // A certificate that was renewed under the same name is read again, too.
        let read = config::read(file)
            .map_err(|refused| refused.to_string())
            .and_then(|config| Ok((guard::load(Some(file), &config.settings.web)?, config)));
        match read {
            Ok((guard, config)) => {
                for what in waiting(&self.current.borrow().settings, &config.settings) {
                    warn!(file = %file.display(), "what changed in {what} is followed from the next start on");
                }
                let rules = Box::new(config.rules.clone());
                // Whoever took the commands has ended: so does the daemon.
                drop(handle.commands.send(Command::Follow { rules }).await);
                self.current.send_replace(config);
                self.guard.send_replace(guard);
                self.warn();
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

/// What is read at the start alone, and is not as it was then.
fn waiting(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let parts = [
        ("[daemon]", before.daemon != now.daemon),
        ("`listen` in [web]", before.web.listen != now.web.listen),
    ];
    let changed = parts.into_iter().filter(|(_, has_changed)| *has_changed);
    changed.map(|(part, _)| part).collect()
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
        assert_eq!(
            change("[web]\nlisten = \"off\"\ncertificate = \"/c\"\nkey = \"/k\""),
            Vec::<&str>::new()
        );
        assert_eq!(change("[web]\nlisten = \"127.0.0.1:80\""), ["`listen` in [web]"]);
        assert_eq!(
            change("[daemon]\nlog = \"json\""),
            ["[daemon]", "`listen` in [web]"]
        );
    }
}
