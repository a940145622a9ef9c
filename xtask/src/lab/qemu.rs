//! One QEMU process: its command line, its event lines, its end.
//!
//! The first serial port is the kernel's console and goes to a file; the second carries events and is
//! QEMU's standard output. There is no disk and no network card.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;

use anyhow::Context;

use super::lines::lines_of;

/// How the guest's clock passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Instructions are the clock (2 ns each), and idle time is jumped over: runs repeat.
    #[default]
    Virtual,
    /// The guest's second is this machine's second.
    Real,
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's own translator, one thread: the only one that can count instructions, and the only one
    /// that survives probes attached under traffic.
    Translator,
    Kvm,
}

impl Accelerator {
    /// KVM where it can work at all. A `/dev/kvm` on a CPU without vmx or svm opens, and then hangs.
    pub fn best_for(clock: Clock) -> Self {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has_extension = flags
            .lines()
            .filter(|line| line.starts_with("flags"))
            .any(|line| line.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"));
        let opens = || {
            fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_ok()
        };
        if clock == Clock::Real && has_extension && opens() {
            Self::Kvm
        } else {
            Self::Translator
        }
    }
}

/// Everything that one boot needs.
#[derive(Debug)]
pub struct Machine<'a> {
    pub image: &'a Path,
    pub initramfs: &'a Path,
    pub console: &'a Path,
    pub memory_mib: u32,
    pub clock: Clock,
    pub accelerator: Accelerator,
}

/// Quick under emulation (no self-tests of ciphers, no calibration), and a panic ends QEMU (`-no-reboot`).
const KERNEL_COMMAND_LINE: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off \
    random.trust_cpu=on cryptomgr.notests tsc=reliable no_timer_check nokaslr";

impl Machine<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
            "-nic",
            "none",
        ]);
        command.args(["-smp", "1", "-m", &self.memory_mib.to_string()]);
        match self.accelerator {
            Accelerator::Translator => command.args(["-accel", "tcg,thread=single", "-cpu", "max"]),
            Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        };
        if self.clock == Clock::Virtual {
            command.args(["-icount", "shift=1,sleep=off"]);
            // The date, too, is the same in every run.
            command.args(["-rtc", "base=2026-01-01T00:00:00,clock=vm"]);
        }
        command
            .arg("-serial")
            .arg(format!("file:{}", self.console.display()));
        command.args(["-serial", "stdio"]);
        command
            .arg("-kernel")
            .arg(self.image)
            .arg("-initrd")
            .arg(self.initramfs);
        command.args(["-append", KERNEL_COMMAND_LINE]);
        command
    }
}

/// A running guest. Dropping it kills it.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    /// The lines of the event port; ends when QEMU does.
    pub lines: Receiver<String>,
}

impl Guest {
    pub fn start(machine: &Machine, errors: &Path) -> anyhow::Result<Self> {
        let errors =
            fs::File::create(errors).with_context(|| format!("cannot write {}", errors.display()))?;
        let mut child = machine
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot start qemu-system-x86_64")?;
        let output = child.stdout.take().context("QEMU has no standard output")?;
        Ok(Self {
            child,
            lines: lines_of(output),
        })
    }

    /// How QEMU ended; waits for it.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().context("cannot wait for QEMU")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must be reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(clock: Clock, accelerator: Accelerator) -> String {
        let path = Path::new("/x");
        let machine = Machine {
            image: path,
            initramfs: path,
            console: path,
            memory_mib: 1024,
            clock,
            accelerator,
        };
        format!("{:?}", machine.command())
    }

    #[test]
    fn only_virtual_time_counts_instructions() {
        assert!(arguments(Clock::Virtual, Accelerator::Translator).contains("shift=1,sleep=off"));
        assert!(!arguments(Clock::Real, Accelerator::Translator).contains("icount"));
        assert!(arguments(Clock::Real, Accelerator::Kvm).contains("kvm"));
    }

    #[test]
    fn virtual_time_never_takes_kvm() {
        assert_eq!(Accelerator::best_for(Clock::Virtual), Accelerator::Translator);
    }
}
