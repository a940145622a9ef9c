//! The system that the package is installed on, and a record of all that was said there.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clock;
use crate::scenario::Stage;
use crate::system::System;

const LIMIT: Duration = Duration::from_mins(2);

/// What Debian 12 has of the packages that ours depends on.
const DEPENDED_ON: [(&str, &str); 3] = [
    ("libc6", "2.36-9"),
    ("libgcc-s1", "12.2.0-14"),
    ("systemd", "252.39-1"),
];

/// What dpkg and the system keep for themselves.
const NOT_OURS: [&str; 4] = ["/var/lib/dpkg", "/var/log", "/var/cache", "/etc/.pwd.lock"];

pub(super) struct Installed<'a> {
    system: System<'a>,
    stage: &'a mut Stage,
    pub(super) told: Vec<Value>,
}

/// How a command ended, and what it said.
pub(super) struct Told {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl<'a> Installed<'a> {
    /// Gives the system a dpkg that has never heard of us, and takes the lab's own ipvsdrain away.
    pub(super) fn new(system: System<'a>, stage: &'a mut Stage) -> Result<Self> {
        let root = system.root();
        for folder in [
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/tmp",
        ] {
            let path = root.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let lists = DEPENDED_ON.map(|(name, _)| format!("var/lib/dpkg/info/{name}.list"));
        // Every Debian has them.
        let passwords = ["etc/shadow", "etc/gshadow"].map(str::to_owned);
        for file in lists.iter().chain(&passwords) {
            fs::write(root.join(file), "").with_context(|| format!("cannot write /{file}"))?;
        }
        let packages = DEPENDED_ON.map(|(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\
                 Maintainer: none\nDescription: in the guest\n\n"
            )
        });
        fs::write(root.join("var/lib/dpkg/status"), packages.concat())
            .context("cannot write dpkg's status")?;
        fs::remove_file(root.join("usr/bin/ipvsdrain")).context("cannot remove the lab's ipvsdrain")?;
        Ok(Self {
            system,
            stage,
            told: Vec::new(),
        })
    }

    pub(super) fn step(&mut self, name: &str) {
        self.record(json!({"step": name}));
    }

    /// Whoever follows the scenario sees it at once, and it goes into the result.
    fn record(&mut self, what: Value) {
        self.stage.progress(what.clone());
        self.told.push(what);
    }

    /// Runs a command, however it ends.
    pub(super) fn told(&mut self, words: &[&str]) -> Result<Told> {
        let output = self.system.output(words)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = Told {
            code: output.status.code(),
            text: text(&output.stdout) + &text(&output.stderr),
        };
        let lines: Vec<_> = told.text.lines().collect();
        self.record(json!({"command": words.join(" "), "code": told.code, "said": lines}));
        Ok(told)
    }

    /// Runs a command that has to succeed, and returns what it said.
    pub(super) fn done(&mut self, words: &[&str]) -> Result<String> {
        let told = self.told(words)?;
        if told.code != Some(0) {
            let look = "ipvsdrain status; journalctl --no-pager --lines=60 --output=cat";
            let seen = self.system.output(&["sh", "-c", look])?;
            bail!(
                "`{}` ended with {:?}: {}\nthe status and the system's log: {}",
                words.join(" "),
                told.code,
                told.text,
                String::from_utf8_lossy(&seen.stdout)
            );
        }
        Ok(told.text)
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.system.root().join(path.trim_start_matches('/')).exists()
    }

    /// Asks for the status until it is as wanted.
    pub(super) fn await_status(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = clock::now() + LIMIT;
        loop {
            let output = self.system.output(&["ipvsdrain", "status", "--json"])?;
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if output.status.success() && is_so(&status) {
                return Ok(status);
            }
            if clock::now() > deadline {
                let log = self.done(&["journalctl", "--no-pager", "--lines=60", "--output=cat"])?;
                bail!("{LIMIT:?} passed without {what}: {status} {output:?}; the log: {log}");
            }
            clock::pass(Duration::from_millis(200));
        }
    }

    /// Waits until the unit's log says so.
    pub(super) fn await_log(&mut self, unit: &str, words: &str) -> Result<()> {
        let deadline = clock::now() + LIMIT;
        loop {
            let output = self
                .system
                .output(&["journalctl", "--no-pager", "--output=cat", "--unit", unit])?;
            let log = String::from_utf8_lossy(&output.stdout);
            if let Some(line) = log.lines().rev().find(|line| line.contains(words)) {
                let line = line.to_owned();
                self.record(json!({"logged": line}));
                return Ok(());
            }
            ensure!(
                clock::now() < deadline,
                "{LIMIT:?} passed, and no line has `{words}`: {log}"
            );
            clock::pass(Duration::from_millis(200));
        }
    }

    /// Every file and folder that is no business of dpkg.
    pub(super) fn files(&mut self) -> Result<BTreeSet<String>> {
        let output = self
            .system
            .output(&["find", "/", "/run", "/sys/fs/bpf", "/tmp", "-xdev"])?;
        ensure!(output.status.success(), "find: {output:?}");
        let is_ours = |path: &&str| {
            // The lists of users keep what they were, under names that end so.
            let is_old_list = path.starts_with("/etc/") && path.ends_with('-');
            let is_log = path.starts_with("/run/log") || path.starts_with("/run/systemd");
            !is_old_list && !is_log && !NOT_OURS.iter().any(|place| path.starts_with(place))
        };
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter(is_ours).map(str::to_owned).collect())
    }
}
