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

const ROUNDS: usize = 11;
const REPEAT: u32 = 200_000;
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
    let cases = cases();
    let mut all = Vec::new();
    for program in Program::ALL {
        let nothing = Empty::load(program)?;
        let [least_ns, median_ns] = rounds(|| nothing.run(&cases[0].bytes, REPEAT))?;
        all.push(Measured {
            program: program.name(),
            frame: "(an empty program)",
            flows: 0,
            least_ns,
            median_ns,
        });
    }
    Ok(all)
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
    let mut all = Vec::new();
    for program in Program::ALL {
        for case in &cases {
            let [least_ns, median_ns] = measure(&loaded, program, case)?;
            all.push(Measured {
                program: program.name(),
                frame: case.name,
                flows,
                least_ns,
                median_ns,
            });
        }
    }
    Ok(all)
}

/// The least and the median of all rounds. Fails if the program did not count what it was shown: then something else
/// was measured.
fn measure(loaded: &Loaded, program: Program, case: &Case) -> Result<[u64; 2]> {
    let arrived = |key: Option<&FlowKey>| key.map_or(Ok(0), |key| loaded.arrived(key));
    let before = arrived(case.tracked.as_ref())?;
    let figures = rounds(|| loaded.run(program, &case.bytes, REPEAT))?;
    let counted = arrived(case.tracked.as_ref())? - before;
    let shown = u64::from(REPEAT) * ROUNDS as u64;
    ensure!(
        counted == expected(program, case, shown),
        "{} counted {counted} of {shown} frames \"{}\"",
        program.name(),
        case.name
    );
    Ok(figures)
}

/// The least and the median.
fn rounds(mut one: impl FnMut() -> Result<u64>) -> Result<[u64; 2]> {
    let mut all = (0..ROUNDS).map(|_| one()).collect::<Result<Vec<_>>>()?;
    all.sort_unstable();
    Ok([all[0], all[ROUNDS / 2]])
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
