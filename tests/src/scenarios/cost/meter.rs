//! What a process spends: instructions by its own CPU clock, which all its threads share and idle time does not move;
//! memory by the kernel's account.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::figures::Figures;
use crate::clock;

const NANOS_PER_INSTRUCTION: f64 = 2.0;

/// A span of virtual time in which nobody was idle.
pub(super) fn instructions(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9 / NANOS_PER_INSTRUCTION
}

/// Instructions since this moment, of everybody.
pub(super) fn instructions_since(began: Moment) -> f64 {
    instructions(clock::now().since(began))
}

/// One process, looked at from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meter {
    pid: Pid,
    clock: ClockId,
}

impl Meter {
    pub(super) fn of(pid: Pid) -> Result<Self> {
        let clock = clock_getcpuclockid(pid).with_context(|| format!("process {pid} has no CPU clock"))?;
        Ok(Self { pid, clock })
    }

    /// All that it spent since it began.
    pub(super) fn spent(self) -> Result<f64> {
        let spent = clock_gettime(self.clock)
            .with_context(|| format!("cannot read the CPU clock of process {}", self.pid))?;
        Ok(instructions(spent.into()))
    }

    /// What it spends while `work` is done.
    pub(super) fn during<T>(self, work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
        let before = self.spent()?;
        let done = work()?;
        Ok((self.spent()? - before, done))
    }

    /// What it spends by itself in so much time.
    pub(super) fn over(self, span: Duration) -> Result<f64> {
        let passed = self.during(|| {
            clock::pass(span);
            Ok(())
        });
        Ok(passed?.0)
    }

    /// Notes its memory now, and the most that it ever had.
    pub(super) fn note_memory(self, figures: &mut Figures, when: &str) -> Result<()> {
        let path = format!("/proc/{}/status", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        for (field, what) in [("VmRSS:", "memory"), ("VmHWM:", "most memory until then")] {
            let kib = kib(&text, field).with_context(|| format!("{path} has no {field}"))?;
            figures.note(format!("{what}, {when}"), "KiB", kib);
        }
        Ok(())
    }
}

/// `VmRSS:    12345 kB`
fn kib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_its_name() {
        let status = "Name:\tipvsdrain\nVmHWM:\t   20480 kB\nVmRSS:\t   12345 kB\n";
        assert_eq!(
            (kib(status, "VmRSS:"), kib(status, "VmSwap:")),
            (Some(12345.0), None)
        );
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let meter = Meter::of(Pid::this()).unwrap();
        let work = || Ok((0..1_000_000_u64).map(std::hint::black_box).sum::<u64>());
        let (spent, sum) = meter.during(work).unwrap();
        assert!(spent > 0.0 && sum > 0);
    }
}
