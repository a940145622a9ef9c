//! Cargo, started from here as from a shell.

use std::process::Command;

/// Without what `cargo xtask` told this program about its own package: a build script may ask for it, as ring's does, and
/// would be run again, with all that depends on it, whenever cargo is started from here after a shell or the other way round.
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command
}
