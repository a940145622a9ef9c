//! The eBPF side: facts about this kernel become a plan, the plan is loaded, its counts become evidence.
//!
//! [`Observer`] is all that others see. Nothing is attached while nothing is watched. This folder alone knows aya
//! and BTF; it never decides what a reading means.
//!
//! `host` reads the kernel's files -> `facts` -> `plan` (pure) -> `probes` (the programs from `object`) -> `reading`.
//! `ladder` (pure) says which rung of evidence this kernel bears, `climb` gets there, `look` reads back. `arrivals` counts
//! what comes in, `seed` reads the kernel's own table, `module` tells whether all of this still belongs to the `ip_vs` in
//! the kernel. `pins` is what outlives the daemon, and `take_up` goes on with it after a restart.

mod arrivals;
mod bpf_calls;
mod clean;
mod climb;
mod detail;
mod error;
mod facts;
mod faults;
mod fentry;
mod hook;
mod host;
mod ladder;
mod look;
mod module;
mod object;
mod outlook;
mod pins;
mod plan;
mod probes;
mod reading;
mod rights;
mod seed;
mod state;
mod take_up;
mod tend;
mod usage;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::LAST_ID;
use ipvsdrain_ebpf::layout::{Kernel, SLOTS, Watch};
use tracing::warn;

pub use self::arrivals::Preference;
pub use self::clean::clean;
pub use self::detail::{FlowDetail, FlowDetails};
pub use self::error::ObserveError;
pub use self::hook::Hook;
pub use self::ladder::Rung;
pub use self::outlook::{Outlook, outlook};
pub use self::reading::{Arrivals, QuietWindows, Reading};
pub use self::rights::effective as effective_capabilities;
pub use self::seed::SeedSummary;
pub use self::usage::{ProgramRuns, Usage};

use self::facts::FunctionType;
use self::ladder::Standing;
use self::module::Load;
use self::object::Object;
use self::pins::Pins;
use self::probes::{Probes, warn_unpinned};
use crate::clock;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// Where facts and programs come from. The default: the embedded object, and the kernel's own files.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// An eBPF object to load instead of the embedded one.
    pub object: Option<PathBuf>,
    /// Type information of `ip_vs`, instead of `/sys/kernel/btf/ip_vs`.
    pub module_btf: Option<PathBuf>,
    /// Type information of the kernel, instead of `/sys/kernel/btf/vmlinux`.
    pub vmlinux_btf: Option<PathBuf>,
    /// Addresses of functions, instead of `/proc/kallsyms`.
    pub kallsyms: Option<PathBuf>,
    /// How many flows can be tracked at once over all watched servers, instead of 262144.
    pub flow_capacity: Option<u32>,
    /// How long reading the kernel's table may hold up the start of a watch, instead of 250 ms.
    pub seed_budget: Option<Duration>,
    /// The rung of the ladder below which nothing is observed.
    pub lowest: Option<Rung>,
    /// How arrivals are counted.
    pub arrivals: Preference,
    /// The folder of a bpf file system below which what is counted outlives this process. `None`: nothing does.
    pub pins: Option<PathBuf>,
    /// The interfaces to count arrivals on, instead of all that bring packets in.
    pub interfaces: Vec<String>,
    /// This way to trace or none, instead of the cheapest the kernel takes.
    pub hook: Option<Hook>,
}

/// Watches the flows of real servers in one network namespace. Every call must come from a thread in it.
pub struct Observer {
    /// The `ip_vs` that `kernel` and `probes` belong to.
    load: Load,
    /// Where the probe reads on this kernel, or why it cannot.
    kernel: Result<Kernel, String>,
    /// What the kernel's types say of the traced function.
    traced: Option<FunctionType>,
    object: Object,
    sources: Sources,
    /// Where to pin, if that is possible and wanted.
    pins: Option<Pins>,
    /// Loaded and attached; `None` while nothing is watched, and on the lowest rung.
    probes: Option<Probes>,
    standing: Standing,
    /// Why arrivals are not counted.
    no_arrivals: Option<String>,
    neighbours: BTreeSet<IpAddr>,
    watched: BTreeMap<(VirtualService, RealServer), Watched>,
    last_id: u32,
    /// What found no room in maps that are gone, and of the kernel's table.
    untracked: u64,
}

#[derive(Debug, Clone)]
struct Watched {
    watch: Watch,
    since: Moment,
    /// `None` if the kernel's table could not be read.
    seed: Option<SeedSummary>,
    /// Flows of the kernel's table that found no room.
    no_room: u64,
    /// Why arrivals were not counted for a while.
    gap: Option<String>,
}

impl Watched {
    /// It begins now.
    fn new(watch: Watch) -> Self {
        Self {
            watch,
            since: clock::now(),
            seed: None,
            no_room: 0,
            gap: None,
        }
    }
}

impl Observer {
    /// Reads the facts, plans, and checks the object. Loads and attaches nothing.
    pub fn prepare(sources: &Sources) -> Result<Self, ObserveError> {
        let object = Object::open(sources.object.as_deref())?;
        // Before the facts: a module that is replaced in between is found out later.
        let load = Load::present()?;
        let (kernel, traced) = climb::plan(sources, None)?;
        let pins = match sources.pins.as_deref().map(Pins::at) {
            Some(Err(cause)) => {
                warn_unpinned(&cause);
                None
            }
            usable => usable.and_then(Result::ok),
        };
        Ok(Self {
            load,
            kernel,
            traced,
            object,
            sources: sources.clone(),
            pins,
            probes: None,
            standing: Standing {
                rung: Rung::Probes,
                cause: None,
            },
            no_arrivals: None,
            neighbours: BTreeSet::new(),
            watched: BTreeMap::new(),
            last_id: 0,
            untracked: 0,
        })
    }

    /// Starts to count the flows of `server` behind `service`. The first one loads and attaches the programs.
    /// Reads the kernel's table for it, within the budget for that. Watching what is watched changes nothing. Where
    /// `ip_vs` was loaded anew, this begins anew too, and every other server has to be watched again.
    pub fn watch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), ObserveError> {
        let name = (*service, *server);
        self.renew()?;
        if self.watched.contains_key(&name) {
            return Ok(());
        }
        let slot = self.free_slot().ok_or(ObserveError::TooMany {
            service: *service,
            server: *server,
            limit: SLOTS,
        })?;
        let watch = Watch {
            slot,
            id: self.next_id(),
        };
        let dest = watch::dest_key(service, server);
        if self.watched.is_empty() {
            self.climb(dest, watch)?;
        } else if let Some(probes) = &mut self.probes {
            probes.watch(dest, watch)?;
        }
        let mut watched = Watched::new(watch);
        if let Some(probes) = &mut self.probes {
            probes.begin(watch, watched.since)?;
        }
        // After the probe: what it did not see by now is in the table.
        self.seed_or_warn(service, server, &mut watched);
        self.watched.insert(name, watched);
        Ok(())
    }

    fn seed_or_warn(&mut self, service: &VirtualService, server: &RealServer, watched: &mut Watched) {
        self.seed(service, server, watched)
            .unwrap_or_else(|error| warn!(%service, %server, "silent flows are not known: {error}"));
    }

    /// Reads the kernel's table for one server; on the rung of arrivals its flows are entered.
    fn seed(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
        watched: &mut Watched,
    ) -> Result<(), ObserveError> {
        let budget = self.sources.seed_budget.unwrap_or(seed::BUDGET);
        let mut found = Vec::new();
        let enters = self.standing.rung == Rung::Arrivals;
        let summary = seed::read(service, server, budget, |entry| {
            if enters {
                found.push(watch::seeded(entry, watched.watch, clock::now()));
            }
        })?;
        if let Some(probes) = &mut self.probes {
            watched.no_room = 0;
            for (key, flow) in found.into_iter().flatten() {
                if !probes.enter(key, flow)? {
                    watched.no_room += 1;
                }
            }
            self.untracked += watched.no_room;
        }
        watched.seed = Some(summary);
        Ok(())
    }

    /// Stops counting, and forgets the flows. The last one detaches and unloads the programs. No error if it was
    /// not watched.
    pub fn unwatch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), ObserveError> {
        let Some(watched) = self.watched.remove(&(*service, *server)) else {
            return Ok(());
        };
        if self.watched.is_empty() {
            self.let_go();
        }
        match &mut self.probes {
            Some(probes) => probes.unwatch(watch::dest_key(service, server), watched.watch),
            None => Ok(()),
        }
    }

    pub fn watched(&self) -> impl Iterator<Item = (VirtualService, RealServer)> + '_ {
        self.watched.keys().copied()
    }

    /// No server is watched any more once its `ip_vs` was unloaded.
    pub fn is_watched(&self, service: &VirtualService, server: &RealServer) -> bool {
        self.watched.contains_key(&(*service, *server)) && self.intact().is_ok()
    }

    /// What is attached in the kernel, for example `fentry:ip_vs_conn_put` and `tcx:eth0`, and why the probe is not the
    /// cheapest there is; nothing while nothing is watched.
    pub fn attached(&self) -> Vec<String> {
        let Some(probes) = &self.probes else {
            return Vec::new();
        };
        let witness = probes.witness().into_iter().flat_map(arrivals::Witness::names);
        probes.hook().into_iter().chain(witness).collect()
    }

    /// The rung live flows are seen by while something is watched, and why it is no better one.
    pub fn rung(&self) -> (Rung, Option<&str>) {
        (self.standing.rung, self.standing.cause.as_deref())
    }

    /// Names the servers that flows of watched ones may be handed to: the others of their services.
    pub fn set_neighbours(&mut self, neighbours: BTreeSet<IpAddr>) -> Result<(), ObserveError> {
        self.neighbours.clone_from(&neighbours);
        match &mut self.probes {
            Some(probes) => probes.set_neighbours(neighbours),
            None => Ok(()),
        }
    }

    /// A number that no watch of today has.
    fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id % LAST_ID + 1;
            if self
                .watched
                .values()
                .all(|watched| watched.watch.id != self.last_id)
            {
                return self.last_id;
            }
        }
    }

    fn free_slot(&self) -> Option<u32> {
        (0..SLOTS).find(|slot| self.watched.values().all(|watched| watched.watch.slot != *slot))
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer")
            .field("watched", &self.watched)
            .field("attached", &self.attached())
            .finish_non_exhaustive()
    }
}

/// The supervisor moves the observer between its threads.
const _: fn() = || {
    fn movable<T: Send>() {}
    movable::<Observer>();
};
