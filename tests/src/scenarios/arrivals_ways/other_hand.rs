//! Another hand's program on the director's `eth0`, which was there before the observer came.
//!
//! One of our own programs in a copy of its own plays it, because it counts: as long as it counts what is sent, it is
//! attached and gets every packet.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use aya::maps::{HashMap, MapData};
use aya::programs::{SchedClassifier, TcAttachType, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, Pod};
use ipvsdrain_ebpf::layout::{Flow, FlowKey, Plain};

use super::bench::{PORT, SOURCE_PORT};
use crate::world::{VIP, World};

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../ipvsdrain/src/observe/programs.bpf.o");

const DEVICE: &str = "eth0";

/// `r0 = -1` in two widths: the classifier's answer, "let the next one decide".
const UNDECIDED: [[u8; 8]; 2] = [
    [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0xb4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
];

/// A shared struct as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Raw<T>(T);

// SAFETY: `Plain` promises what `Pod` asks for: integers without implicit padding.
unsafe impl<T: Plain> Pod for Raw<T> {}

pub(super) struct OtherHand {
    /// Keeps the program attached.
    _programs: Ebpf,
    flows: HashMap<MapData, Raw<FlowKey>, Raw<Flow<u64>>>,
    key: FlowKey,
}

impl OtherHand {
    pub(super) fn with_xdp(world: &World, mode: XdpMode) -> Result<Self> {
        Self::attach(world, OBJECT, |programs| {
            let program: &mut Xdp = programs
                .program_mut("arrivals_xdp_skb")
                .context("no program arrivals_xdp_skb")?
                .try_into()?;
            program.load()?;
            program.attach(DEVICE, mode)?;
            Ok(())
        })
    }

    /// One that accepts every packet for good, so that those behind it are not asked.
    pub(super) fn with_classifier(world: &World) -> Result<Self> {
        world.director().machine().add_clsact()?;
        Self::attach(world, &accepting(), |programs| {
            let program: &mut SchedClassifier = programs
                .program_mut("arrivals_tc")
                .context("no program arrivals_tc")?
                .try_into()?;
            program.load()?;
            program.attach(DEVICE, TcAttachType::Ingress)?;
            Ok(())
        })
    }

    fn attach(
        world: &World,
        object: &[u8],
        attach: impl FnOnce(&mut Ebpf) -> Result<()> + Send,
    ) -> Result<Self> {
        let mut programs = EbpfLoader::new().btf(None).load(object)?;
        let flows = programs.take_map("FLOWS").context("no map FLOWS")?;
        let mut flows: HashMap<MapData, Raw<FlowKey>, Raw<Flow<u64>>> = HashMap::try_from(flows)?;
        let key = key(world.client().address());
        flows.insert(Raw(key), Raw(Flow::default()), 0)?;
        let director = world.director().machine();
        director
            .within(|| attach(&mut programs))
            .context("the other hand's program")?;
        Ok(Self {
            _programs: programs,
            flows,
            key,
        })
    }

    /// How many packets of the flow it saw.
    pub(super) fn seen(&self) -> Result<u64> {
        Ok(self.flows.get(&Raw(self.key), 0)?.0.arrived)
    }
}

/// The object, with programs that answer 0 ("accept") where ours answers -1.
fn accepting() -> Vec<u8> {
    let mut object = OBJECT.to_vec();
    for at in (0..object.len() - 8).step_by(8) {
        let instruction = &mut object[at..at + 8];
        if UNDECIDED.iter().any(|undecided| undecided == instruction) {
            instruction[4..].fill(0);
        }
    }
    object
}

/// The one flow of these scenarios.
fn key(client: Ipv4Addr) -> FlowKey {
    let words = |address: Ipv4Addr| [u32::from_ne_bytes(address.octets()), 0, 0, 0];
    FlowKey {
        client_addr: words(client),
        virtual_addr: words(VIP),
        client_port: SOURCE_PORT.to_be(),
        virtual_port: PORT.to_be(),
        protocol: 17,
        family: 2,
    }
}
