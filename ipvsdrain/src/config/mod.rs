//! The configuration file: TOML, read as a whole or refused with the place. Nothing is decided here.

mod keys;
#[cfg(test)]
mod refused_tests;
mod reloads;
mod settings;
#[cfg(test)]
mod tests;
mod web;

use std::path::{Path, PathBuf};

use self::keys::{Place, Unknown};
pub use self::reloads::Reloads;
pub use self::settings::{
    DEFAULT_STATE, DaemonSettings, FEWEST_FLOWS, Hook, LogFormat, MOST_FLOWS, Maintenance, SettingError,
    Settings,
};
pub use self::web::{DEFAULT_LISTEN, Listen, WebFault, WebSettings};
use crate::drain::{PolicyError, Rules};

/// Where the file is looked for if none is named.
pub const DEFAULT_PATH: &str = "/etc/ipvsdrain/config.toml";

/// The file as it is shipped: every key with its default, behind a `#`.
pub const DEFAULT: &str = include_str!("default.toml");

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    pub settings: Settings,
    pub rules: Rules,
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: it cannot be read: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Malformed {
        path: PathBuf,
        error: Box<toml::de::Error>,
    },
    #[error("{path}: {unknown}")]
    UnknownKey { path: PathBuf, unknown: Unknown },
    #[error("{path}: {}{error}", told(place.as_ref()))]
    Contradictory {
        path: PathBuf,
        /// Which key is at fault, where it is one alone.
        place: Option<Place>,
        error: PolicyError,
    },
    #[error("{path}: {}{error}", told(place.as_ref()))]
    Setting {
        path: PathBuf,
        place: Option<Place>,
        error: SettingError,
    },
}

fn told(place: Option<&Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

/// The file that was named, or else the usual one if it is there.
pub fn find(named: Option<PathBuf>) -> Option<PathBuf> {
    let usual = PathBuf::from(DEFAULT_PATH);
    named.or_else(|| usual.exists().then_some(usual))
}

/// Reads and checks the file; without one, everything is as built in.
///
/// # Errors
/// As [`read`].
pub fn read_or_default(file: Option<&Path>) -> Result<Config, ConfigError> {
    file.map_or_else(|| Ok(Config::default()), read)
}

/// Reads and checks the file.
///
/// # Errors
/// If it cannot be read, is no TOML, has a key that is not known or a value that cannot be.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) => Err(ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

/// Where in the file these keys stand, for whoever finds out later that what they say cannot be done.
pub fn place(path: &Path, keys: &[&str]) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let place = keys::place_of(&text, &keys);
    format!("{}: {}", path.display(), told(place.as_ref()))
}

/// Checks the text of the file at `path`.
fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let path = path.to_owned();
    if let Some(unknown) = keys::unknown(text) {
        return Err(ConfigError::UnknownKey { path, unknown });
    }
    // Each reads its own keys of the same text, so that both can tell the place of what they do not like.
    let read = toml::from_str::<Settings>(text).and_then(|settings| {
        let rules = toml::from_str::<Rules>(text)?;
        Ok(Config { settings, rules })
    });
    let config = match read {
        Ok(config) => config,
        Err(error) => {
            let error = Box::new(error);
            return Err(ConfigError::Malformed { path, error });
        }
    };
    if let Err((keys, error)) = config.settings.check() {
        let place = keys::place_of(text, &keys);
        return Err(ConfigError::Setting { path, place, error });
    }
    match config.rules.check() {
        Ok(()) => Ok(config),
        Err(error) => Err(ConfigError::Contradictory {
            path,
            place: keys::at_fault(text, &config.rules, &error),
            error,
        }),
    }
}
