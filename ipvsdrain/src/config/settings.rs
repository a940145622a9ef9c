//! What the configuration says about the daemon itself: where it listens, who may reach it, what it watches besides
//! the table, whom it tells. How a drain is decided is in [`crate::drain::Rules`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::web::{WebFault, WebSettings};
use crate::check::{self, Check, CheckError};
use crate::drain::State;
use crate::supervise::{Preference, Rung};

/// Everything in the file that is not a rule for drains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub daemon: DaemonSettings,
    pub web: WebSettings,
    pub maintenance: Maintenance,
    pub hook: Vec<Hook>,
    pub check: Vec<Check>,
}

/// Read once, at the start: a reload says that a change here waits for a restart. The command line wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaemonSettings {
    pub socket: Option<PathBuf>,
    /// Who may act, besides root: the members of this group.
    pub group: Option<String>,
    /// Who may look, besides those who may act.
    pub read_group: Option<String>,
    /// Folder of the journal.
    pub state: Option<PathBuf>,
    pub pins: Option<PathBuf>,
    pub flow_capacity: Option<u32>,
    pub arrivals: Option<Preference>,
    pub interfaces: Vec<String>,
    pub lowest_rung: Option<Rung>,
    pub log: Option<LogFormat>,
    pub concurrent_checks: Option<u32>,
    /// Whether packets of servers that may mean their end are looked for.
    pub hints: bool,
}

impl DaemonSettings {
    /// How many checks may be under way at the same time.
    pub fn checks_at_once(&self) -> usize {
        let checks = self.concurrent_checks.unwrap_or(CHECKS_AT_ONCE);
        usize::try_from(checks).unwrap_or(usize::MAX)
    }
}

/// Unless configured otherwise. Each takes a socket, and a little time of the one thread that there is.
const CHECKS_AT_ONCE: u32 = 64;
const MOST_CHECKS_AT_ONCE: u32 = 1024;

/// The folder of the journal, unless configured otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/ipvsdrain";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line per event, for people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Drains asked for by a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Maintenance {
    /// A file in this folder that is named after an address drains that host in every service.
    pub folder: Option<PathBuf>,
}

/// A command that is told of transitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hook {
    /// The states whose beginning it is told of.
    pub on: Vec<State>,
    /// The program, by its whole path, and its arguments.
    pub run: Vec<String>,
    /// It is killed after this long. 1 to [`Hook::LONGEST_SECS`].
    pub timeout_secs: u32,
}

impl Hook {
    pub const LONGEST_SECS: u32 = 300;
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            on: Vec::new(),
            run: Vec::new(),
            timeout_secs: 10,
        }
    }
}

/// 3 GiB of kernel memory, if all of them are there.
pub const MOST_FLOWS: u32 = 1 << 24;
/// Fewer would be full at once.
pub const FEWEST_FLOWS: u32 = 1_000;

/// A setting that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("a capacity of {0} flows is out of range: give {FEWEST_FLOWS} to {MOST_FLOWS}")]
    FlowCapacity(u32),
    #[error("`{}` is not a whole path: begin it with a slash", .0.display())]
    Relative(PathBuf),
    #[error("no command is given: name the program by its whole path, and its arguments")]
    NoCommand,
    #[error(
        "no state is given: name one or more of pooled, draining, quiet, drained, removed, restoring, restored, yielded"
    )]
    NoState,
    #[error("{0} s is out of range: give 1 to {longest} s", longest = Hook::LONGEST_SECS)]
    Timeout(u32),
    #[error("{0} checks at once are out of range: give 1 to {MOST_CHECKS_AT_ONCE}")]
    ConcurrentChecks(u32),
    #[error(transparent)]
    Web(#[from] WebFault),
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl Settings {
    /// The first setting that cannot be followed, with the keys that lead to it.
    pub(super) fn check(&self) -> Result<(), (Vec<String>, SettingError)> {
        let at = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        let DaemonSettings {
            socket,
            state,
            pins,
            flow_capacity,
            concurrent_checks,
            ..
        } = &self.daemon;
        if let Some(flows) = flow_capacity.filter(|flows| !(FEWEST_FLOWS..=MOST_FLOWS).contains(flows)) {
            return Err((
                at(&["daemon", "flow_capacity"]),
                SettingError::FlowCapacity(flows),
            ));
        }
        if let Some(many) = concurrent_checks.filter(|many| !(1..=MOST_CHECKS_AT_ONCE).contains(many)) {
            return Err((
                at(&["daemon", "concurrent_checks"]),
                SettingError::ConcurrentChecks(many),
            ));
        }
        let paths = [
            ("daemon", "socket", socket),
            ("daemon", "state", state),
            ("daemon", "pins", pins),
            ("web", "certificate", &self.web.certificate),
            ("web", "key", &self.web.key),
            ("maintenance", "folder", &self.maintenance.folder),
        ];
        for (table, key, path) in paths {
            if let Some(path) = path {
                is_whole(path).map_err(|error| (at(&[table, key]), error))?;
            }
        }
        if let Err((keys, fault)) = self.web.check() {
            return Err(([at(&["web"]), keys].concat(), fault.into()));
        }
        for (number, hook) in self.hook.iter().enumerate() {
            let number = number.to_string();
            hook.check()
                .map_err(|(key, error)| (at(&["hook", &number, key]), error))?;
        }
        if let Some((number, (keys, error))) = check::first_wrong(&self.check) {
            let number = number.to_string();
            let keys = [&["check", &number], keys.as_slice()].concat();
            return Err((at(&keys), error.into()));
        }
        Ok(())
    }
}

impl Hook {
    fn check(&self) -> Result<(), (&'static str, SettingError)> {
        let Some(program) = self.run.first() else {
            return Err(("run", SettingError::NoCommand));
        };
        is_whole(Path::new(program)).map_err(|error| ("run", error))?;
        if self.on.is_empty() {
            return Err(("on", SettingError::NoState));
        }
        if !(1..=Self::LONGEST_SECS).contains(&self.timeout_secs) {
            return Err(("timeout_secs", SettingError::Timeout(self.timeout_secs)));
        }
        Ok(())
    }
}

fn is_whole(path: &Path) -> Result<(), SettingError> {
    if path.is_absolute() {
        Ok(())
    } else {
        Err(SettingError::Relative(path.to_owned()))
    }
}
