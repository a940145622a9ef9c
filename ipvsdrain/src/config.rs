//! The configuration file: TOML, read as a whole or refused with the place.

use std::path::{Path, PathBuf};

use crate::drain::{PolicyError, Rules};

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Malformed {
        path: PathBuf,
        error: Box<toml::de::Error>,
    },
    #[error("{path}: {error}")]
    Contradictory { path: PathBuf, error: PolicyError },
}

/// Reads and checks the file.
///
/// # Errors
/// If it cannot be read, is no TOML, has a key that is not known or a value that cannot be.
pub fn read(path: &Path) -> Result<Rules, ConfigError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(ConfigError::Unreadable { path, error }),
    };
    let rules: Rules = match toml::from_str(&text) {
        Ok(rules) => rules,
        Err(error) => {
            return Err(ConfigError::Malformed {
                path,
                error: Box::new(error),
            });
        }
    };
    match rules.check() {
        Ok(()) => Ok(rules),
        Err(error) => Err(ConfigError::Contradictory { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert!(refused("shadw = true").contains("line 1") && refused("shadw = true").contains("shadow"));
        assert!(refused("shadow = \"yes\"").contains("boolean"));
        assert!(refused("[policy]\nudp_quiet_secs = 0").contains("udp_quiet"));
        assert!(refused("[adopt]\nservices = [\"udp:10.0.0.1\"]").contains("services"));
        assert!(
            read(Path::new("/nonexistent/x.toml"))
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/x.toml")
        );
    }
}
