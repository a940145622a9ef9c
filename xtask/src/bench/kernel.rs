//! The programs in this machine's kernel, with a table of flows as large as wanted. Nothing is attached.

use std::fs;

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap, MapData};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use ipvsdrain_ebpf::accounting::{Class, Place};
use ipvsdrain_ebpf::layout::{Flow, FlowKey, Plain, Tally, Watch};

use crate::{cache, ebpf};

/// The one server that is watched.
const WATCH: Watch = Watch { slot: 0, id: 1 };

/// A shared struct as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Raw<T>(T);

// SAFETY: `Plain` promises what `Pod` asks for: integers without implicit padding.
unsafe impl<T: Plain> Pod for Raw<T> {}

/// The three programs that count arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Classifier,
    Xdp,
    XdpGeneric,
}

impl Program {
    pub(super) const ALL: [Program; 3] = [Program::Classifier, Program::Xdp, Program::XdpGeneric];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Program::Classifier => "arrivals_tc",
            Program::Xdp => "arrivals_xdp",
            Program::XdpGeneric => "arrivals_xdp_skb",
        }
    }
}

/// The loaded programs and their maps.
pub(super) struct Loaded {
    programs: Ebpf,
    flows: HashMap<MapData, Raw<FlowKey>, Raw<Flow<u64>>>,
}

impl Loaded {
    /// Loads the committed object.
    pub(super) fn load() -> Result<Self> {
        let path = cache::workspace().join(ebpf::OBJECT);
        let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut programs = EbpfLoader::new()
            .btf(None)
            .load(&object)
            .with_context(|| format!("cannot load {}", path.display()))?;
        let mut tallies: Array<MapData, Raw<Tally<u64>>> = Array::try_from(map(&mut programs, "TALLIES")?)?;
        tallies
            .set(WATCH.slot, Raw(Tally::empty(WATCH.id)), 0)
            .context("cannot write the map TALLIES")?;
        let flows = HashMap::try_from(map(&mut programs, "FLOWS")?)?;
        for program in Program::ALL {
            let name = program.name();
            let loaded = programs
                .program_mut(name)
                .with_context(|| format!("the eBPF object has no program {name}"))?;
            match program {
                Program::Classifier => <&mut SchedClassifier>::try_from(loaded)?.load(),
                Program::Xdp | Program::XdpGeneric => <&mut Xdp>::try_from(loaded)?.load(),
            }
            .with_context(|| format!("the kernel refuses the program {name}"))?;
        }
        Ok(Self { programs, flows })
    }

    /// Tracks a flow of the watched server.
    pub(super) fn track(&mut self, key: FlowKey) -> Result<()> {
        let flow = Flow {
            place: Place::at(WATCH, Class::Udp, 0).bits(),
            ..Flow::default()
        };
        self.flows
            .insert(Raw(key), Raw(flow), 0)
            .context("cannot write the map FLOWS")
    }

    /// How many packets of a flow have been counted.
    pub(super) fn arrived(&self, key: &FlowKey) -> Result<u64> {
        let flow = self
            .flows
            .get(&Raw(*key), 0)
            .context("cannot read the map FLOWS")?;
        Ok(flow.0.arrived)
    }

    /// Shows `frame` to a program `repeat` times; returns the mean time of one, in whole nanoseconds.
    pub(super) fn run(&self, program: Program, frame: &[u8], repeat: u32) -> Result<u64> {
        let name = program.name();
        let loaded = self
            .programs
            .program(name)
            .with_context(|| format!("the eBPF object has no program {name}"))?;
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::new()
        };
        let result = match program {
            Program::Classifier => <&SchedClassifier>::try_from(loaded)?.test_run(options),
            Program::Xdp | Program::XdpGeneric => <&Xdp>::try_from(loaded)?.test_run(options),
        };
        let result = result.with_context(|| format!("BPF_PROG_TEST_RUN of {name} failed"))?;
        Ok(u64::try_from(result.duration.as_nanos())?)
    }
}

fn map(programs: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    programs
        .take_map(name)
        .with_context(|| format!("the eBPF object has no map {name}"))
}
