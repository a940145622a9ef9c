//! The eBPF side: facts about this kernel become a plan, the plan is loaded, its counts become evidence.
//!
//! [`Observer`] is all that others see. Nothing is attached while nothing is watched. This folder alone knows aya
//! and BTF; it never decides what a reading means.
//!
//! `host` reads the kernel's files -> `facts` -> `plan` (pure) -> `probes` (the programs from `object`) -> `reading`.
//! `seed` reads the kernel's own table once per watch.

mod bpf_calls;
mod detail;
mod error;
mod facts;
mod fentry;
mod hook;
mod host;
mod object;
mod plan;
mod probes;
mod reading;
mod rights;
mod seed;
mod tcp_state;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipvsdrain_ebpf::layout::{Kernel, SLOTS, Watch};
use tracing::warn;

pub use self::detail::{FlowDetail, FlowDetails};
pub use self::error::ObserveError;
pub use self::hook::Hook;
pub use self::reading::{QuietWindows, Reading};
pub use self::seed::SeedSummary;

use self::detail::Latest;
use self::facts::FunctionType;
use self::object::Object;
use self::probes::Probes;
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
    /// This way to trace or none, instead of the cheapest the kernel takes.
    pub hook: Option<Hook>,
}

/// Watches the flows of real servers, from the network namespace of the thread that prepared it.
pub struct Observer {
    kernel: Kernel,
    traced: Option<FunctionType>,
    hook: Option<Hook>,
    object: Object,
    flow_capacity: Option<u32>,
    seed_budget: Duration,
    /// Loaded and attached; `None` while nothing is watched.
    probes: Option<Probes>,
    watched: BTreeMap<(VirtualService, RealServer), Watched>,
    last_id: u32,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    watch: Watch,
    since: Moment,
    /// `None` if the kernel's table could not be read.
    seed: Option<SeedSummary>,
}

impl Observer {
    /// Reads the facts, plans, and checks the object. Loads and attaches nothing.
    pub fn prepare(sources: &Sources) -> Result<Self, ObserveError> {
        let object = Object::open(sources.object.as_deref())?;
        let facts = host::collect(sources)?;
        let kernel = plan::plan(&facts)?;
        let flow_capacity = sources.flow_capacity;
        Ok(Self {
            kernel,
            traced: facts.traced,
            hook: sources.hook,
            object,
            flow_capacity,
            seed_budget: sources.seed_budget.unwrap_or(seed::BUDGET),
            probes: None,
            watched: BTreeMap::new(),
            last_id: 0,
        })
    }

    /// Starts to count the flows of `server` behind `service`. The first one loads and attaches the programs.
    /// Reads the kernel's table for it, within the budget for that. Watching what is watched changes nothing.
    pub fn watch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), ObserveError> {
        let name = (*service, *server);
        if self.watched.contains_key(&name) {
            return Ok(());
        }
        let slot = self.free_slot().ok_or(ObserveError::TooMany {
            service: *service,
            server: *server,
            limit: SLOTS,
        })?;
        self.last_id = self.last_id.wrapping_add(1);
        let watch = Watch {
            slot,
            id: self.last_id,
        };
        let dest = watch::dest_key(service, server);
        if let Some(probes) = &mut self.probes {
            probes.watch(dest, watch)?;
        } else {
            rights::check()?;
            let mut probes = Probes::load(
                &self.object,
                &self.kernel,
                self.flow_capacity,
                self.hook,
                self.traced,
            )?;
            probes.watch(dest, watch)?;
            probes.attach(&self.object)?;
            self.probes = Some(probes);
        }
        let since = clock::now();
        // After the probe: what it did not see by now is in the table.
        let seed = seed::read(service, server, self.seed_budget)
            .inspect_err(|error| warn!(%service, %server, "silent flows are not known: {error}"))
            .ok();
        self.watched.insert(name, Watched { watch, since, seed });
        Ok(())
    }

    /// Stops counting, and forgets the flows. The last one detaches and unloads the programs. No error if it was
    /// not watched.
    pub fn unwatch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), ObserveError> {
        let Some(watched) = self.watched.remove(&(*service, *server)) else {
            return Ok(());
        };
        if self.watched.is_empty() {
            self.probes = None;
        }
        match &mut self.probes {
            Some(probes) => probes.unwatch(watch::dest_key(service, server), watched.watch),
            None => Ok(()),
        }
    }

    pub fn watched(&self) -> impl Iterator<Item = (VirtualService, RealServer)> + '_ {
        self.watched.keys().copied()
    }

    pub fn is_watched(&self, service: &VirtualService, server: &RealServer) -> bool {
        self.watched.contains_key(&(*service, *server))
    }

    /// What is attached in the kernel, for example `fentry:ip_vs_conn_put`, and why it is not the cheapest there is;
    /// nothing while nothing is watched.
    pub fn attached(&self) -> Vec<String> {
        self.probes.iter().map(Probes::hook).collect()
    }

    /// What was seen of one server until `now`, which must be a fresh reading of the clock.
    pub fn read(
        &self,
        service: &VirtualService,
        server: &RealServer,
        quiet: &QuietWindows,
        now: Moment,
    ) -> Result<Reading, ObserveError> {
        let windows = reading::seconds(quiet)?;
        let not_watched = || ObserveError::NotWatched {
            service: *service,
            server: *server,
        };
        let watched = self.watched.get(&(*service, *server)).ok_or_else(not_watched)?;
        let probes = self.probes.as_ref().ok_or_else(not_watched)?;
        let copies = [probes.tally(watched.watch)?, probes.tally(watched.watch)?];
        Ok(reading::of(
            &copies,
            probes.health()?,
            windows,
            now,
            watched.since,
            watched.seed,
        ))
    }

    /// The `limit` flows of one server that moved last. Walks over every flow of every watched server, for 250 ms at
    /// most: then the answer says that it is not complete.
    pub fn flows(
        &self,
        service: &VirtualService,
        server: &RealServer,
        limit: usize,
    ) -> Result<FlowDetails, ObserveError> {
        let not_watched = || ObserveError::NotWatched {
            service: *service,
            server: *server,
        };
        let watched = self.watched.get(&(*service, *server)).ok_or_else(not_watched)?;
        let probes = self.probes.as_ref().ok_or_else(not_watched)?;
        let mut latest = Latest::new(limit);
        let begin = clock::now();
        let complete = probes.walk(watched.watch, |flow| {
            if let Some((key, flow)) = flow {
                latest.see(FlowDetail::of(key, flow));
            }
            clock::now().since(begin) < detail::BUDGET
        })?;
        let (flows, found) = latest.finish();
        Ok(FlowDetails {
            flows,
            found,
            complete,
            watched_since: watched.since,
            seed: watched.seed,
            at: clock::now(),
        })
    }

    /// Frees the room of flows that no window can see any more. Worth calling about once a minute.
    pub fn sweep(&mut self, now: Moment) -> Result<(), ObserveError> {
        let Some(probes) = &mut self.probes else {
            return Ok(());
        };
        let ids: Vec<u32> = self.watched.values().map(|watched| watched.watch.id).collect();
        probes.forget(|key, flow| {
            !ids.contains(&key.watch) || now.since(Moment::from_nanos(flow.last_seen)) > watch::FORGET_AFTER
        })
    }

    /// Passes the programs' rare messages on to the `log` crate. Call it now and then.
    pub fn relay_messages(&mut self) {
        if let Some(probes) = &mut self.probes {
            probes.relay_messages();
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
