//! `cargo xtask lab …`: what each verb takes and prints. Results go to standard output, the rest to
//! standard error.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::binaries::Build;
use super::image::Copied;
use super::matrix::Matrix;
use super::protocol::Stream;
use super::run::MEMORY_MIB;
use super::{
    Clock, Event, KernelChoice, Request, ScenarioResult, binaries, host_tools, kernel, programs, rows,
    scenarios,
};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Shows the scenarios
    List {
        /// As a JSON list
        #[arg(long)]
        json: bool,
    },
    /// Runs scenarios (all of them if none is named), all those of one kernel in one boot
    Run(Run),
    /// Runs a command in a guest
    Exec(Exec),
    /// Shows what the observer counts beside what was sent, for every kind of service
    Matrix(Matrix),
    /// Downloads everything that runs need, so that they need no network
    Fetch {
        /// Kernel series (all if none is named)
        #[arg(long = "kernel")]
        kernels: Vec<KernelChoice>,
    },
}

#[derive(Debug, Args)]
pub struct Run {
    names: Vec<String>,
    #[command(flatten)]
    guest: GuestOptions,
    /// Run on this machine itself: needs root and a kernel with `ip_vs`
    #[arg(long)]
    host: bool,
    /// Print the results as one JSON list
    #[arg(long)]
    json: bool,
    /// JSON handed to the scenarios
    #[arg(long, default_value = "null", value_parser = read_json)]
    options: serde_json::Value,
}

#[derive(Debug, Args)]
pub struct Exec {
    #[command(flatten)]
    guest: GuestOptions,
    /// Debian programs to put in: a package (`nsd`) or one program of it (`tcpdump/tcpdump`)
    #[arg(long = "with", value_delimiter = ',')]
    programs: Vec<String>,
    /// A file or folder of this machine to put in, as FROM:TO
    #[arg(long = "copy", value_parser = read_copy)]
    copies: Vec<Copied>,
    /// The command and its arguments; a shell is there: `-- sh -c '…'`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct GuestOptions {
    /// Kernel series: 5.10, 6.1, 6.12 or 7; may be given more than once [default: 6.1]
    #[arg(long = "kernel")]
    kernels: Vec<KernelChoice>,
    /// A kernel image of your own
    #[arg(long, requires = "modules")]
    kernel_image: Option<PathBuf>,
    /// Its modules: the folder …/lib/modules/RELEASE
    #[arg(long, requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Let the guest's clock run with this machine's, instead of jumping over idle time
    #[arg(long)]
    realtime: bool,
    /// Run binaries that are optimized as those that are shipped: what they cost is only then worth a look
    #[arg(long)]
    release: bool,
    /// The guest's memory in MiB
    #[arg(long, default_value_t = MEMORY_MIB)]
    memory: u32,
    /// Seconds without a sign of life, by this machine's clock, after which the guest counts as hung
    #[arg(long, default_value_t = 180)]
    silence: u64,
}

impl GuestOptions {
    fn kernels(&self) -> Vec<KernelChoice> {
        let mut kernels = self.kernels.clone();
        if let (Some(image), Some(modules)) = (&self.kernel_image, &self.modules) {
            kernels.push(KernelChoice::Own {
                image: image.clone(),
                modules: modules.clone(),
            });
        }
        if kernels.is_empty() {
            kernels.push(KernelChoice::Debian("6.1"));
        }
        kernels
    }

    fn request(&self, kernel: KernelChoice, scenarios: Vec<String>) -> Request {
        let clock = if self.realtime {
            Clock::Real
        } else {
            Clock::Virtual
        };
        let build = if self.release { Build::Release } else { Build::Dev };
        Request {
            build,
            clock,
            memory_mib: self.memory,
            silence_limit: Duration::from_secs(self.silence),
            ..Request::new(kernel, scenarios)
        }
    }
}

fn read_copy(text: &str) -> Result<Copied, String> {
    match text.rsplit_once(':') {
        Some((from, to)) if to.starts_with('/') => Ok(Copied {
            from: from.into(),
            to: to.to_owned(),
        }),
        _ => Err("write FROM:TO, where TO is an absolute path in the guest".to_owned()),
    }
}

/// Does what the verb says; the code is 1 where a scenario failed.
pub fn serve(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List { json } => list(json),
        Verb::Run(run) if run.host => run_on_host(&run),
        Verb::Run(run) => run_in_guests(&run),
        Verb::Exec(exec) => run_command(&exec),
        Verb::Matrix(matrix) => matrix.run(),
        Verb::Fetch { kernels } => fetch(kernels),
    }
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let all = scenarios::all()?;
    if json {
        println!("{}", serde_json::to_string(&all)?);
    } else {
        for scenario in all {
            println!("{:24} {}", scenario.name, scenario.about);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run_in_guests(run: &Run) -> anyhow::Result<ExitCode> {
    let mut results = Vec::new();
    for kernel in run.guest.kernels() {
        let names = scenarios::names_for(&kernel, &run.names)?;
        let mut request = run.guest.request(kernel, names);
        request.options = run.options.clone();
        results.extend(super::run(&request, &mut tell)?);
    }
    report(&results, run.json)
}

fn run_on_host(run: &Run) -> anyhow::Result<ExitCode> {
    let names = match run.names.as_slice() {
        [] => scenarios::all()?
            .into_iter()
            .map(|scenario| scenario.name)
            .collect(),
        names => names.to_vec(),
    };
    let status = Command::new(binaries::build(Build::Dev)?.lab)
        .arg("run")
        .arg(format!("--options={}", run.options))
        .args(names)
        .status()
        .context("cannot start the scenarios")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn run_command(exec: &Exec) -> anyhow::Result<ExitCode> {
    let [kernel] = exec
        .guest
        .kernels()
        .try_into()
        .map_err(|_| anyhow::anyhow!("name one kernel only"))?;
    let mut request = exec.guest.request(kernel, Vec::new());
    request.command.clone_from(&exec.command);
    request.programs.clone_from(&exec.programs);
    request.copies.clone_from(&exec.copies);
    let mut code = None;
    let failure = super::run::run_command(&request, &mut |event| match event {
        Event::Output {
            stream: Stream::Stdout,
            line,
        } => println!("{line}"),
        Event::Output {
            stream: Stream::Stderr,
            line,
        } => eprintln!("{line}"),
        Event::Exited { code: its } => code = Some(*its),
        _ => {}
    })?;
    match (code, failure) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))),
        (None, Some(failure)) => bail!("{failure}"),
        (None, None) => bail!("the guest did not say how the command ended"),
    }
}

fn fetch(kernels: Vec<KernelChoice>) -> anyhow::Result<ExitCode> {
    host_tools::ensure_present("the lab", &host_tools::EMULATOR)?;
    let binaries = binaries::build(Build::Dev)?;
    let all: Vec<_> = scenarios::all()?
        .into_iter()
        .map(|scenario| scenario.name)
        .collect();
    programs::fetch(&scenarios::programs_of(&binaries, &all)?)?;
    let kernels = if kernels.is_empty() {
        KernelChoice::every()
    } else {
        kernels
    };
    for choice in kernels {
        let kernel = kernel::fetch(&choice)?;
        println!("{choice}: {}", kernel.release);
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells a person what happens, as it happens.
fn tell(event: &Event) {
    match event {
        Event::Booted { kernel, .. } => eprintln!("lab: {kernel} is up"),
        Event::Started { scenario } => eprintln!("lab: {scenario} …"),
        Event::Progress { scenario, data } => match rows::told(data) {
            Some(row) => eprintln!("{row}"),
            None => eprintln!("lab: {scenario}: {data}"),
        },
        Event::Trouble { text } => eprintln!("lab: {text}"),
        _ => {}
    }
}

fn report(results: &[ScenarioResult], json: bool) -> anyhow::Result<ExitCode> {
    for result in results {
        let word = if result.passed { "passed" } else { "FAILED" };
        let line = format!(
            "{word}  {}  {}  {:.1} s",
            result.scenario, result.kernel, result.guest_seconds
        );
        let error = result
            .error
            .as_ref()
            .map(|text| format!("\n{text}"))
            .unwrap_or_default();
        if json {
            eprintln!("{line}{error}");
        } else {
            println!("{line}{error}");
        }
    }
    if json {
        println!("{}", serde_json::to_string(results)?);
    }
    Ok(if results.iter().all(|result| result.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// By its own, clap would take any text for a JSON string.
fn read_json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_names_both_ends() {
        let copy = read_copy("target/debug/x:/usr/bin/x").unwrap();
        assert_eq!(
            (copy.from, copy.to.as_str()),
            (PathBuf::from("target/debug/x"), "/usr/bin/x")
        );
        assert!(read_copy("x").is_err() && read_copy("x:relative").is_err());
    }
}
