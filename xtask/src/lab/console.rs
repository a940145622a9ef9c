//! Reads the guest's console while it runs, and knows when the kernel has failed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// What the kernel says when it cannot go on, and what that means. The first match counts.
const FAULTS: [(&str, &str); 14] = [
    ("Kernel panic", "the kernel panicked"),
    ("Attempted to kill init", "the guest's first process died"),
    ("BUG: soft lockup", "a CPU is locked up"),
    ("hard LOCKUP", "a CPU is locked up"),
    ("detected stalls on CPUs", "the kernel's RCU is stalled"),
    ("self-detected stall on CPU", "the kernel's RCU is stalled"),
    ("blocked for more than", "a task hangs in the kernel"),
    (
        "general protection fault",
        "the kernel touched memory it must not",
    ),
    (
        "unable to handle page fault",
        "the kernel touched memory it must not",
    ),
    ("unable to handle kernel", "the kernel touched memory it must not"),
    ("Oops:", "the kernel made an error it could not handle"),
    ("BUG: ", "the kernel found a bug in itself"),
    ("kernel BUG at", "the kernel found a bug in itself"),
    ("Out of memory: Killed process", "the guest ran out of memory"),
];

/// The console's log, read as it grows.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    file: Option<File>,
    text: String,
}

impl Console {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            text: String::new(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is new; says whether there was anything.
    pub fn read_on(&mut self) -> anyhow::Result<bool> {
        if self.file.is_none() {
            // QEMU makes the file a moment after it starts.
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.text.len() as u64))
            .and_then(|_| file.read_to_end(&mut new))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        // Byte for byte, so that the length stays the position in the file.
        self.text.extend(
            new.iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }),
        );
        Ok(!new.is_empty())
    }

    /// Why the kernel cannot go on, with its own line about it.
    pub fn fault(&self) -> Option<String> {
        self.text.lines().find_map(fault_in)
    }

    /// What the kernel warned of without ending.
    pub fn warnings(&self) -> Vec<String> {
        let lines = self.text.lines().filter(|line| line.contains("WARNING: "));
        lines
            .map(|line| format!("the kernel warned: {}", line.trim()))
            .collect()
    }

    /// The lines that tell most: those from the fault on, else the last ones.
    pub fn excerpt(&self, lines: usize) -> String {
        let all: Vec<_> = self.text.lines().collect();
        let last = all.len().saturating_sub(lines);
        let fault = all.iter().position(|line| fault_in(line).is_some());
        // What came just before a fault often explains it.
        let begin = fault.map_or(last, |at| at.saturating_sub(lines / 4));
        all[begin..all.len().min(begin + lines)].join("\n")
    }
}

fn fault_in(line: &str) -> Option<String> {
    let (_, meaning) = FAULTS.iter().find(|(words, _)| line.contains(words))?;
    Some(format!("{meaning}: {}", line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_say_when_they_fail_is_known() {
        for (line, meaning) in [
            (
                "[   12.1] Kernel panic - not syncing: Fatal exception in interrupt",
                "panicked",
            ),
            (
                "[   40.2] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [kworker/0:1:7]",
                "locked up",
            ),
            (
                "[  242.0] INFO: task ip:221 blocked for more than 120 seconds.",
                "hangs",
            ),
            (
                "[    3.3] BUG: kernel NULL pointer dereference, address: 0000000000000000",
                "bug",
            ),
            (
                "[    3.3] BUG: unable to handle page fault for address: ffffffffc0000000",
                "memory it must not",
            ),
            (
                "[   61.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                "stalled",
            ),
            (
                "[    9.9] Out of memory: Killed process 88 (ipvsdrain-lab)",
                "out of memory",
            ),
        ] {
            let fault = fault_in(line).unwrap_or_else(|| panic!("not known: {line}"));
            assert!(fault.contains(meaning) && fault.contains(line.trim()), "{fault}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_faults() {
        for line in [
            "[    0.0] Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)",
            "[    1.2] IPVS: Registered protocols (TCP, UDP, SCTP, AH, ESP)",
            "[    0.2] Spectre V2 : Kernel not compiled with retpoline; no mitigation available!",
        ] {
            assert!(fault_in(line).is_none(), "{line}");
        }
    }

    #[test]
    fn the_log_is_read_as_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let mut console = Console::new(&path);
        assert!(!console.read_on().unwrap());
        std::fs::write(&path, b"one\n\xff\n").unwrap();
        assert!(console.read_on().unwrap() && console.fault().is_none());
        assert!(!console.read_on().unwrap());
        std::fs::write(&path, b"one\n\xff\nKernel panic - not syncing\n").unwrap();
        assert!(console.read_on().unwrap());
        assert!(console.fault().unwrap().contains("panicked"));
        let trace = "trace\n".repeat(9);
        std::fs::write(&path, format!("one\n?\nKernel panic - not syncing\n{trace}")).unwrap();
        assert!(console.read_on().unwrap());
        assert_eq!(console.excerpt(4), "?\nKernel panic - not syncing\ntrace\ntrace");
    }
}
