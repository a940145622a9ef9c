//! One boot from request to results: prepares the guest, follows its events, and ends it early when it
//! panics, hangs or falls silent.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::binaries::Build;
use super::console::Console;
use super::image::{self, Copied};
use super::kernel::{self, KernelChoice};
use super::protocol::{self, Event, ScenarioResult};
pub use super::qemu::Clock;
use super::qemu::{Accelerator, Guest, Machine};
use super::{binaries, host_tools, programs, scenarios, vmlinux};
use crate::cache;

/// What a guest has, if nobody says otherwise. Half of it is the most that its files may take, and the programs of all scenarios
/// together take nearly 500.
pub const MEMORY_MIB: u32 = 2048;

/// One boot of the lab.
#[derive(Debug, Clone)]
pub struct Request {
    pub kernel: KernelChoice,
    /// Scenarios to run, in this order.
    pub scenarios: Vec<String>,
    /// A command to run in the guest instead of scenarios.
    pub command: Vec<String>,
    /// Programs to put into the guest besides those its scenarios name.
    pub programs: Vec<String>,
    /// Files of this machine to put into the guest.
    pub copies: Vec<Copied>,
    /// Handed to every scenario.
    pub options: serde_json::Value,
    pub build: Build,
    pub clock: Clock,
    pub memory_mib: u32,
    /// How long one scenario may take by the guest's clock.
    pub guest_limit: Duration,
    /// How long the guest may say nothing at all, by this machine's clock.
    pub silence_limit: Duration,
    /// How long the whole boot may take, by this machine's clock.
    pub limit: Duration,
}

impl Request {
    /// These scenarios on this kernel, with everything else as it usually is.
    pub fn new(kernel: KernelChoice, scenarios: Vec<String>) -> Self {
        Self {
            kernel,
            scenarios,
            command: Vec::new(),
            programs: Vec::new(),
            copies: Vec::new(),
            options: serde_json::Value::Null,
            build: Build::Dev,
            clock: Clock::Virtual,
            memory_mib: MEMORY_MIB,
            guest_limit: Duration::from_hours(1),
            silence_limit: Duration::from_mins(3),
            limit: Duration::from_mins(40),
        }
    }
}

/// How long KVM may keep silent before the boot is tried again without it.
const KVM_SILENCE_LIMIT: Duration = Duration::from_secs(20);
const CONSOLE_LINES: usize = 40;

/// Boots the kernel once, runs everything asked for and hands each event to `on_event`. Every scenario
/// asked for has a result: where the guest failed, it says so with the console's last lines. An error
/// means that the lab could not be set up.
pub fn run(request: &Request, on_event: &mut dyn FnMut(&Event)) -> anyhow::Result<Vec<ScenarioResult>> {
    let boot = prepare(request)?;
    let followed = boot.follow_best(on_event)?;
    let results = boot.judge(followed);
    boot.tidy(results.iter().all(|result| result.passed));
    Ok(results)
}

/// Boots the kernel once and runs the request's command; returns why the guest failed, if it did.
pub fn run_command(request: &Request, on_event: &mut dyn FnMut(&Event)) -> anyhow::Result<Option<String>> {
    let boot = prepare(request)?;
    let failure = boot.follow_best(on_event)?.failure;
    boot.tidy(failure.is_none());
    Ok(failure)
}

/// Guests that run side by side install and fetch the same things: they are prepared one after the other.
static PREPARING: Mutex<()> = Mutex::new(());

fn prepare(request: &Request) -> anyhow::Result<Boot<'_>> {
    let _alone = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
    host_tools::ensure_present("the lab", &host_tools::EMULATOR)?;
    let binaries = binaries::build(request.build)?;
    let mut wanted = request.programs.clone();
    wanted.extend(scenarios::programs_of(&binaries, &request.scenarios)?);
    let programs = programs::fetch(&wanted)?;
    let mut copies = request.copies.clone();
    copies.extend(scenarios::package_of(&binaries, &request.scenarios)?);
    let kernel = kernel::fetch(&request.kernel)?;
    let folder = boot_folder(&kernel.release)?;
    let initramfs = folder.join("initramfs");
    let asked = protocol::Request {
        scenarios: request.scenarios.clone(),
        command: request.command.clone(),
        options: request.options.clone(),
        limit_seconds: request.guest_limit.as_secs(),
    };
    fs::write(
        &initramfs,
        image::pack(&kernel, &binaries, &programs, &asked, &copies)?,
    )
    .with_context(|| format!("cannot write {}", initramfs.display()))?;
    Ok(Boot {
        request,
        folder,
        image: vmlinux::bootable(&kernel, &programs)?,
        initramfs,
        release: kernel.release,
    })
}

/// A folder for this boot's files, kept for whoever wants to read the console afterwards.
fn boot_folder(release: &str) -> anyhow::Result<PathBuf> {
    let folder = cache::boots()?.join(format!("{release}-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

struct Boot<'a> {
    request: &'a Request,
    folder: PathBuf,
    image: PathBuf,
    initramfs: PathBuf,
    release: String,
}

/// What was seen of a guest.
#[derive(Debug, Default)]
struct Followed {
    booted: bool,
    results: Vec<ScenarioResult>,
    running: Option<String>,
    /// Why it ended before its time.
    failure: Option<String>,
}

impl Boot<'_> {
    /// Follows one boot; with KVM first where that may work.
    fn follow_best(&self, on_event: &mut dyn FnMut(&Event)) -> anyhow::Result<Followed> {
        if Accelerator::best_for(self.request.clock) == Accelerator::Kvm {
            let followed = self.follow(Accelerator::Kvm, KVM_SILENCE_LIMIT, on_event)?;
            if followed.booted {
                return Ok(followed);
            }
            eprintln!("lab: KVM gives no sign of life; going on without it");
        }
        self.follow(Accelerator::Translator, self.request.silence_limit, on_event)
    }

    fn follow(
        &self,
        accelerator: Accelerator,
        silence_limit: Duration,
        on_event: &mut dyn FnMut(&Event),
    ) -> anyhow::Result<Followed> {
        let console_path = self.folder.join("console.log");
        let errors = self.folder.join("qemu.log");
        let machine = Machine {
            image: &self.image,
            initramfs: &self.initramfs,
            console: &console_path,
            memory_mib: self.request.memory_mib,
            clock: self.request.clock,
            accelerator,
        };
        let _ = fs::remove_file(&console_path);
        let mut guest = Guest::start(&machine, &errors)?;
        let mut console = Console::new(&console_path);
        let mut followed = Followed::default();
        let begin = Instant::now();
        let mut last_sign = begin;
        let reason = loop {
            match guest.lines.recv_timeout(Duration::from_millis(250)) {
                Ok(line) => {
                    last_sign = Instant::now();
                    if let Some(event) = Event::from_line(&line) {
                        followed.take(&event);
                        on_event(&event);
                        if matches!(event, Event::End { .. }) {
                            break None;
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    console.read_on()?;
                    let status = guest.wait()?;
                    let said = fs::read_to_string(&errors).unwrap_or_default();
                    break Some(console.fault().unwrap_or_else(|| {
                        format!(
                            "the guest stopped before its end (QEMU: {status}) {}",
                            said.trim()
                        )
                    }));
                }
            }
            if console.read_on()? {
                last_sign = Instant::now();
            }
            if let Some(fault) = console.fault() {
                break Some(fault);
            }
            if last_sign.elapsed() > silence_limit {
                break Some(format!(
                    "the guest said nothing for {} s",
                    silence_limit.as_secs()
                ));
            }
            if begin.elapsed() > self.request.limit {
                break Some(format!(
                    "the boot is not done after {} s",
                    self.request.limit.as_secs()
                ));
            }
        };
        console.read_on()?;
        for text in console.warnings() {
            on_event(&Event::Trouble { text });
        }
        if let Some(reason) = reason {
            read_to_rest(&mut console)?;
            followed.failure = Some(format!(
                "{reason}\nconsole: {}\n{}",
                console.path().display(),
                console.excerpt(CONSOLE_LINES)
            ));
        }
        Ok(followed)
    }

    /// Removes this boot's files; what the kernel said is kept where something failed.
    fn tidy(&self, all_well: bool) {
        // What cannot be removed now is in nobody's way.
        if all_well {
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            let _ = fs::remove_file(&self.initramfs);
            eprintln!(
                "lab: the console's log is {}",
                self.folder.join("console.log").display()
            );
        }
    }

    /// One result for each scenario asked for, in that order.
    fn judge(&self, followed: Followed) -> Vec<ScenarioResult> {
        let failure = followed
            .failure
            .unwrap_or_else(|| "the guest did not run it".to_owned());
        let mut results = followed.results;
        for scenario in &self.request.scenarios {
            if results.iter().any(|result| result.scenario == *scenario) {
                continue;
            }
            let error = match &followed.running {
                Some(running) if running != scenario => format!("not run: `{running}` took the guest down"),
                _ => failure.clone(),
            };
            results.push(ScenarioResult {
                scenario: scenario.clone(),
                kernel: self.release.clone(),
                passed: false,
                error: Some(error),
                value: serde_json::Value::Null,
                guest_seconds: 0.0,
            });
        }
        results
    }
}

impl Followed {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Booted { .. } => self.booted = true,
            Event::Started { scenario } => self.running = Some(scenario.clone()),
            Event::Finished(result) => {
                self.running = None;
                self.results.push(result.clone());
            }
            Event::Trouble { text } => self.failure = Some(text.clone()),
            _ => {}
        }
    }
}

/// A fault's first line is followed by the trace that explains it: reads until nothing more comes.
fn read_to_rest(console: &mut Console) -> anyhow::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(500));
        if !console.read_on()? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(scenario: &str) -> ScenarioResult {
        ScenarioResult {
            scenario: scenario.into(),
            kernel: "6.1.0".into(),
            passed: true,
            error: None,
            value: serde_json::Value::Null,
            guest_seconds: 1.0,
        }
    }

    #[test]
    fn a_guest_that_dies_fails_the_running_scenario_and_those_after_it() {
        let names = ["first", "second", "third"].map(str::to_owned);
        let request = Request::new(KernelChoice::Debian("6.1"), names.to_vec());
        let boot = Boot {
            request: &request,
            folder: PathBuf::new(),
            image: PathBuf::new(),
            initramfs: PathBuf::new(),
            release: "6.1.0".into(),
        };
        let mut followed = Followed {
            failure: Some("the kernel panicked".into()),
            ..Followed::default()
        };
        followed.take(&Event::Started {
            scenario: "first".into(),
        });
        followed.take(&Event::Finished(result("first")));
        followed.take(&Event::Started {
            scenario: "second".into(),
        });
        let results = boot.judge(followed);
        let errors: Vec<_> = results.iter().map(|result| result.error.as_deref()).collect();
        assert_eq!(
            errors,
            [
                None,
                Some("the kernel panicked"),
                Some("not run: `second` took the guest down")
            ]
        );
        assert_eq!(results.iter().filter(|result| result.passed).count(), 1);
    }
}
