//! What a scenario is, the stage it runs on, and the list of all of them.
//!
//! A scenario's module gives a `SCENARIOS` list; [`all`] is the only place that names the modules.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::Event;

/// One situation on a real kernel, from building its network to judging what happened.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Scenario {
    /// Its name on the command line: lower case, words joined by `-`.
    pub name: &'static str,
    /// One line: what a user may rely on if it passes.
    pub about: &'static str,
    /// Debian programs it needs: a package (`nsd`: all its programs) or one program of it
    /// (`iproute2/tc`). `ip`, `ipvsadm`, `modprobe` and a shell are always there. `ipvsdrain.deb` is our own package,
    /// built for the occasion: it lies in `/`.
    pub programs: &'static [&'static str],
    /// Does it need flows to be observed? The probes need the kernel's type information for its modules, which 5.10
    /// does not have: there such a scenario does not exist.
    pub observes: bool,
    /// Runs it; an error or a panic means that it failed. The value goes into its result.
    #[serde(skip)]
    pub run: fn(&mut Stage) -> anyhow::Result<Value>,
}

/// Every scenario, by module.
pub fn all() -> Vec<Scenario> {
    use crate::{ground, scenarios};
    [ground::SCENARIOS, scenarios::SCENARIOS, scenarios::COSTS].concat()
}

/// The scenario of this name.
pub fn find(name: &str) -> anyhow::Result<Scenario> {
    all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .with_context(|| format!("there is no scenario `{name}`; `cargo xtask lab list` shows them"))
}

/// Where events go: a serial port in the guest, standard output on the host.
pub type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a scenario sees of the lab while it runs.
pub struct Stage {
    scenario: &'static str,
    options: Value,
    sink: Sink,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("scenario", &self.scenario)
            .finish_non_exhaustive()
    }
}

impl Stage {
    pub fn new(scenario: &'static str, options: Value, sink: Sink) -> Self {
        Self {
            scenario,
            options,
            sink,
        }
    }

    /// Tells the outside how far the scenario is. Cheap, but not free: a few per second at most.
    pub fn progress(&mut self, data: Value) {
        (self.sink)(&Event::Progress {
            scenario: self.scenario.to_owned(),
            data,
        });
    }

    /// What the caller of the lab handed to the scenarios; null if nothing.
    pub fn options(&self) -> &Value {
        &self.options
    }

    /// Whether row `number` of a long table is to be played here. Where several kernels run side by side, the option
    /// `share` deals the rows out among them; without it all are.
    pub fn plays(&self, number: usize) -> bool {
        let share = |name: &str| self.options["share"][name].as_u64();
        match (share("part"), share("of")) {
            (Some(part), Some(of)) if of > 0 => number as u64 % of == part,
            _ => true,
        }
    }
}

/// What a scenario that failed found all the same: it goes into its result as the value of one that passed would.
#[derive(Debug)]
pub struct Findings {
    pub value: Value,
    /// What is wrong, in a sentence.
    pub summary: String,
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for Findings {}

/// The programs a scenario names which are not on `PATH`. A package counts by the program of its own
/// name only; where it has none, the scenario finds out by itself.
pub fn missing_programs(scenario: &Scenario) -> Vec<String> {
    let installed: BTreeSet<String> = std::env::var("PATH")
        .unwrap_or_default()
        .split(':')
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    scenario
        .programs
        .iter()
        .filter_map(|wanted| wanted.split_once('/'))
        .filter(|(_package, program)| !installed.contains(*program))
        .map(|(package, program)| format!("{program} (Debian's package {package})"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_easy_to_type() {
        let names: Vec<_> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_where_to_look() {
        assert!(find("no-such").unwrap_err().to_string().contains("lab list"));
    }
}
