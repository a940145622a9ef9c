//! `ipvsdrain check-config`: would a daemon take this configuration? Needs no daemon, and looks at nothing but the file and
//! the certificate that it names.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{exit, guard};
use crate::config;

/// Check a configuration file as the daemon would read it. Needs no daemon.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    /// The file that `ipvsdrain daemon --config` is to read.
    file: PathBuf,
}

impl CheckConfig {
    pub(super) fn run(&self) -> ExitCode {
        match checked(&self.file) {
            Ok(said) => {
                println!("{said}");
                ExitCode::SUCCESS
            }
            Err(said) => {
                eprintln!("{said}");
                ExitCode::from(exit::USAGE)
            }
        }
    }
}

/// What is said of a file, the file first, as editors want it.
pub(super) fn checked(file: &Path) -> Result<String, String> {
    let config = config::read(file).map_err(|error| error.to_string().trim_end().to_owned())?;
    guard::load(Some(file), &config.settings.web)?;
    let warning = config.settings.web.warning();
    let warning = warning.map(|warning| format!("{}: warning: {warning}\n", file.display()));
    Ok(format!("{}{}: ok", warning.unwrap_or_default(), file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_or_refused_by_the_code() {
        let folder = tempfile::tempdir().unwrap();
        let code = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            format!("{:?}", CheckConfig { file }.run())
        };
        assert_eq!(
            code("good.toml", "shadow = true"),
            format!("{:?}", ExitCode::SUCCESS)
        );
        let refused = format!("{:?}", ExitCode::from(exit::USAGE));
        assert_eq!(code("bad.toml", "shadow = 7"), refused);
        let file = folder.path().join("none.toml");
        assert_eq!(format!("{:?}", CheckConfig { file }.run()), refused);
    }
}
