//! `cargo xtask bench arrivals`: nanoseconds per packet of each program that counts arrivals, frame by frame.
//!
//! The kernel shows each program the same frame again and again, so code and data lie in the CPU's caches: this is what
//! the work itself costs, and the least that a packet can cost. The least of several rounds is the figure to compare;
//! the median tells how quiet the machine was.

use std::fs;

use anyhow::{Result, ensure};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use ipvsdrain_ebpf::layout::FlowKey;
use serde::Serialize;

use super::empty::Empty;
use super::frames::{Case, cases};
use super::kernel::{Loaded, Program};

const ROUNDS: usize = 41;
const REPEAT: u32 = 50_000;
/// How many flows are tracked beside those that are measured.
const FLOWS: [u32; 2] = [1_000, 100_000];

/// One frame in one program.
#[derive(Debug, Serialize)]
struct Measured {
    program: &'static str,
    frame: &'static str,
    /// In the table of flows.
    flows: u32,
    least_ns: u64,
    median_ns: u64,
}

pub(super) fn run(json: bool) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "loading eBPF programs needs root: run `sudo -E cargo xtask bench arrivals`"
    );
    let mut all = empty()?;
    for flows in FLOWS {
        all.extend(with_flows(flows)?);
    }
    if json {
        println!("{}", serde_json::to_string(&all)?);
    } else {
        println!("{}", draw(&all));
    }
    Ok(())
}

/// What is in every figure: the kernel's own work to show a frame to a program that does nothing.
fn empty() -> Result<Vec<Measured>> {
    let frame = &cases()[0].bytes;
    let mut subjects = Vec::new();
    for program in Program::ALL {
        let nothing = Empty::load(program)?;
        subjects.push(Subject::new(program, "(an empty program)", move || {
            nothing.run(frame, REPEAT)
        }));
    }
    measure(subjects, 0)
}

/// Measures everything beside this many tracked flows.
fn with_flows(flows: u32) -> Result<Vec<Measured>> {
    let mut loaded = Loaded::load()?;
    for number in 0..flows {
        loaded.track(another(number))?;
    }
    let cases = cases();
    for case in &cases {
        case.tracked.map_or(Ok(()), |key| loaded.track(key))?;
    }
    let loaded = &loaded;
    let mut subjects = Vec::new();
    for program in Program::ALL {
        for case in &cases {
            subjects.push(Subject::new(program, case.name, move || {
                one(loaded, program, case)
            }));
        }
    }
    measure(subjects, flows)
}

/// One round. Fails if the program did not count what it was shown: then something else was measured.
fn one(loaded: &Loaded, program: Program, case: &Case) -> Result<u64> {
    let arrived = |key: Option<FlowKey>| key.map_or(Ok(0), |key| loaded.arrived(&key));
    let before = arrived(case.tracked)?;
    let mean = loaded.run(program, &case.bytes, REPEAT)?;
    let counted = arrived(case.tracked)? - before;
    ensure!(
        counted == expected(program, case, u64::from(REPEAT)),
        "{} counted {counted} of {REPEAT} frames \"{}\"",
        program.name(),
        case.name
    );
    Ok(mean)
}

/// One program with one frame, measured round by round.
struct Subject<'a> {
    program: Program,
    frame: &'static str,
    round: Box<dyn Fn() -> Result<u64> + 'a>,
    rounds: Vec<u64>,
}

impl<'a> Subject<'a> {
    fn new(program: Program, frame: &'static str, round: impl Fn() -> Result<u64> + 'a) -> Self {
        Self {
            program,
            frame,
            round: Box::new(round),
            rounds: Vec::new(),
        }
    }
}

/// All take turns, so that a moment in which the machine is slow does not fall on one of them.
fn measure(mut subjects: Vec<Subject<'_>>, flows: u32) -> Result<Vec<Measured>> {
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            let mean = (subject.round)()?;
            subject.rounds.push(mean);
        }
    }
    let measured = subjects.into_iter().map(|mut subject| {
        subject.rounds.sort_unstable();
        Measured {
            program: subject.program.name(),
            frame: subject.frame,
            flows,
            least_ns: subject.rounds[0],
            median_ns: subject.rounds[ROUNDS / 2],
        }
    });
    Ok(measured.collect())
}

/// Native XDP leaves TCP out.
fn expected(program: Program, case: &Case, shown: u64) -> u64 {
    const TCP: u16 = 6;
    match case.tracked {
        None => 0,
        Some(key) if program == Program::Xdp && key.protocol == TCP => 0,
        Some(_) => shown,
    }
}

/// A flow of no frame that is measured.
fn another(number: u32) -> FlowKey {
    FlowKey {
        client_addr: [(0x0b00_0000 + number / 100).to_be(), 0, 0, 0],
        virtual_addr: [0x0a00_0001_u32.to_be(), 0, 0, 0],
        client_port: (1024 + (number % 100) as u16).to_be(),
        virtual_port: 53_u16.to_be(),
        protocol: 17,
        family: 2,
    }
}

fn draw(all: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    let mut header = vec!["frame".to_owned(), "flows".to_owned()];
    header.extend(Program::ALL.map(|program| program.name().to_owned()));
    table.set_header(header);
    for first in all.iter().filter(|line| line.program == Program::ALL[0].name()) {
        let mut row = vec![first.frame.to_owned(), first.flows.to_string()];
        let same = |line: &&Measured| line.frame == first.frame && line.flows == first.flows;
        row.extend(
            all.iter()
                .filter(same)
                .map(|line| format!("{} ({})", line.least_ns, line.median_ns)),
        );
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "Nanoseconds per packet on {}: the least of {ROUNDS} rounds of {REPEAT}, in brackets the median\n{table}",
        here()
    )
}

/// The kernel and the processor, as far as they tell.
fn here() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!("kernel {}, {model}", read("/proc/sys/kernel/osrelease").trim())
}
