//! The configuration file: TOML, read as a whole or refused with the place. Nothing is decided here.

mod keys;

use std::path::{Path, PathBuf};

use self::keys::{Place, Unknown};
use crate::drain::{PolicyError, Rules};

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
}

fn told(place: Option<&Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
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
    if let Some(unknown) = keys::unknown(&text) {
        return Err(ConfigError::UnknownKey { path, unknown });
    }
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
        Err(error) => Err(ConfigError::Contradictory {
            path,
            place: keys::at_fault(&text, &rules, &error),
            error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let said = read(&path).unwrap_err().to_string();
        let file = format!("{}: ", path.display());
        said.strip_prefix(&file).expect("the file comes first").to_owned()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert!(refused("shadow = \"yes\"").contains("boolean"));
        assert!(
            refused("[policy]\nudp_quiet_secs = 0")
                .starts_with("line 2: policy.udp_quiet_secs: udp_quiet of 0 s")
        );
        assert!(refused("[adopt]\nservices = [\"udp:10.0.0.1\"]").contains("services"));
        assert!(
            read(Path::new("/nonexistent/x.toml"))
                .unwrap_err()
                .to_string()
                .starts_with("/nonexistent/x.toml: it cannot be read: ")
        );
    }

    #[test]
    fn an_unknown_key_is_told_with_the_nearest_one() {
        for (text, said) in [
            (
                "shadw = true",
                "line 1: unknown key `shadw`: did you mean `shadow`?",
            ),
            (
                "[policy]\npinned = \"hold\"\nudp_quiet = 5",
                "line 3: unknown key `policy.udp_quiet`: did you mean `udp_quiet_secs`?",
            ),
            (
                "[floor]\nserver = 2",
                "line 2: unknown key `floor.server`: did you mean `servers`?",
            ),
            (
                "[[service]]\nmatch = { prot = 53 }\npolicy = {}",
                "line 2: unknown key `service.match.prot`: did you mean `port`?",
            ),
            (
                "[[service]]\nmatch = { port = 53 }\npolicy = { floor = { wieght_percent = 1 } }",
                "line 3: unknown key `service.policy.floor.wieght_percent`: did you mean `weight_percent`?",
            ),
            (
                "[adopt]\nxyz = 1",
                "line 2: unknown key `adopt.xyz`: known here are services, then",
            ),
        ] {
            assert_eq!(refused(text), said);
        }
    }

    #[test]
    fn a_value_that_no_policy_can_have_is_told_with_its_key() {
        let odd = refused("[[service]]\nmatch = { port = 53 }\n[service.policy]\npinned = \"drop\"");
        assert!(
            odd.starts_with("line 4: service.policy.pinned: ") && odd.contains("`drop`"),
            "{odd}"
        );
        let nested = refused("[floor]\nservers = 1\nweight_percent = 101");
        assert!(nested.starts_with("line 3: floor.weight_percent: "), "{nested}");
        let alone = refused("[policy]\non_deadline = \"remove\"");
        assert!(alone.starts_with("line 2: policy.on_deadline: "), "{alone}");
        let rule = refused("[[service]]\nmatch = {}\npolicy = {}");
        assert!(rule.contains("needs a match"), "{rule}");
    }

    #[test]
    fn every_key_that_can_be_set_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let policy = "udp_quiet_secs = 1\ntcp_quiet_secs = 1\nclosing_quiet_secs = 1\npinned = \"hold\"\n\
                      sysctl = \"scoped\"\nfallback = \"set\"\npersistence = \"set\"\nthen = \"keep\"\n\
                      soft_deadline_secs = 1\ndeadline_secs = 2\non_deadline = \"hold\"\nother_hands = \"alarm\"\n\
                      floor = { servers = 1, weight_percent = 1 }\n";
        let text = format!(
            "shadow = true\nother_hands = \"yield\"\n[policy]\n{policy}\n[floor]\nservers = 2\nweight_percent = 3\n\
             [adopt]\nservices = [\"all\"]\nthen = \"keep\"\n[[service]]\n\
             match = {{ protocol = \"udp\", address = \"10.0.0.1\", port = 53 }}\n[service.policy]\n{policy}\n\
             [[service]]\nmatch = {{ mark = 7 }}\npolicy = {{}}\n"
        );
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap();
    }
}
