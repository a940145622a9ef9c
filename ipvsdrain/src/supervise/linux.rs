//! The real host: IPVS over netlink, the observer, the sysctls of this network namespace.
//!
//! Translates what the other rooms know into the decision's facts; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tracing::warn;

use super::kernel::{Fault, Found, Kernel, ListedServer, ListedService, Listing};
use super::release;
use super::sysctl::Sysctls;
use super::watch_fault::WatchFault;
use crate::clock;
use crate::drain::{
    self, Arrivals, AtZero, Evidence, Flows, Lacking, Member, Policy, Rung, Scheduler, Server, Setting, Table,
};
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::ipvs::{self, Destination, Ipvs, Service, ServiceFlags, Stats};
use crate::moment::Moment;
use crate::observe::{self, FlowDetails, ObserveError, Observer, QuietWindows, Reading, Sources, Usage};

/// This machine, as far as IPVS goes.
#[derive(Debug)]
pub struct Linux {
    ipvs: Ipvs,
    observer: Result<Observer, ObserveError>,
    /// Why the last attempt to watch failed; evidence is unknown for that reason.
    watch_fault: Option<WatchFault>,
    sysctls: Sysctls,
    flushes_entries: bool,
    /// The real servers of each service with a drain, as last read: a flow may be handed to any of them.
    servers: BTreeMap<VirtualService, BTreeSet<IpAddr>>,
    swept_at: Moment,
}

/// How often flows that no window can see any more give back their room. It reads every flow.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

impl Linux {
    /// Connects to IPVS and prepares the observer. An observer that cannot work is no reason not to start: the
    /// drains are held and say why.
    pub async fn connect(sources: Sources) -> Result<Self, ipvs::Error> {
        let ipvs = Ipvs::connect().await?;
        // Also asks for a permission that is needed anyway, at a time when somebody reads the answer.
        ipvs.info().await?;
        let observer = Observer::prepare(&sources);
        if let Err(error) = &observer {
            warn!("flows cannot be observed, nothing will be removed: {error}");
        }
        Ok(Self {
            ipvs,
            observer,
            watch_fault: None,
            sysctls: Sysctls::default(),
            flushes_entries: release::flushes_entries(),
            servers: BTreeMap::new(),
            swept_at: clock::now(),
        })
    }

    /// Where a flow of a watched server may be handed to. `None`: the servers of a watched service were not read yet, as
    /// after a restart; what an earlier process named must stay until then.
    fn neighbours(&self) -> Option<BTreeSet<IpAddr>> {
        let observer = self.observer.as_ref().ok()?;
        observer
            .watched()
            .all(|(service, _)| self.servers.contains_key(&service))
            .then(|| self.servers.values().flatten().copied().collect())
    }

    async fn read_table(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
    ) -> Result<Found, ipvs::Error> {
        const NO_SERVICE: Found = Found {
            table: Table::NoService,
            service: Evidence::Known(None),
        };
        let found = match self.ipvs.service(service).await {
            Ok(found) => found,
            Err(ipvs::Error::NoService { .. }) => return Ok(NO_SERVICE),
            Err(error) => return Err(error),
        };
        let destinations = match self.ipvs.destinations(service).await {
            Ok(destinations) => destinations,
            Err(ipvs::Error::NoService { .. }) => return Ok(NO_SERVICE),
            Err(error) => return Err(error),
        };
        let addresses = destinations.iter().map(|destination| destination.server.0.ip());
        self.servers.insert(*service, addresses.collect());
        let this = destinations
            .iter()
            .find(|destination| destination.server == *server);
        let others = destinations
            .iter()
            .filter(|destination| destination.server != *server);
        Ok(Found {
            table: this.map_or(Table::NoServer, |this| Table::Present(present(this))),
            service: Evidence::Known(Some(drain::Service {
                scheduler: Scheduler {
                    at_zero: at_zero(&found),
                    name: found.scheduler,
                },
                persistent: found.flags.contains(ServiceFlags::PERSISTENT),
                others: others.map(member).collect(),
            })),
        })
    }
}

impl Kernel for Linux {
    fn now(&self) -> Moment {
        clock::now()
    }

    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    async fn table(&mut self, service: &VirtualService, server: &RealServer) -> Found {
        self.read_table(service, server)
            .await
            .unwrap_or_else(|error| Found::unknown(&error.to_string()))
    }

    async fn listing(&mut self) -> Result<Listing, Fault> {
        let mut listing = Vec::new();
        for service in self.ipvs.services().await.map_err(fault)? {
            let servers = match self.ipvs.destinations(&service.identity).await {
                Ok(destinations) => destinations.iter().map(listed).collect(),
                // Removed since the services were listed.
                Err(ipvs::Error::NoService { .. }) => continue,
                Err(error) => return Err(fault(error)),
            };
            listing.push(ListedService {
                service: service.identity,
                scheduler: service.scheduler,
                servers,
            });
        }
        Ok(listing)
    }

    async fn set_weight(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
        weight: u32,
    ) -> Result<(), Fault> {
        self.ipvs
            .set_weight(service, server, weight)
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn add(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
        configuration: &Configuration,
    ) -> Result<(), Fault> {
        let destination = Destination {
            server: *server,
            forwarding: configuration.forwarding,
            weight: configuration.weight,
            upper_threshold: configuration.upper_threshold,
            lower_threshold: configuration.lower_threshold,
            active: 0,
            inactive: 0,
            persistent: 0,
            stats: Stats::default(),
        };
        self.ipvs
            .add_destination(service, &destination)
            .await
            .map_err(fault)
    }

    async fn remove(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault> {
        self.ipvs.remove_destination(service, server).await.map_err(fault)
    }

    fn expire_nodest(&self) -> Evidence<bool> {
        self.sysctls.is_on("expire_nodest_conn")
    }

    fn expire_quiescent_template(&self) -> Evidence<bool> {
        self.sysctls.is_on("expire_quiescent_template")
    }

    fn reuses_connections(&self) -> Evidence<bool> {
        match self.sysctls.is_on("conn_reuse_mode") {
            Evidence::Known(on) => Evidence::Known(!on),
            unknown @ Evidence::Unknown(_) => unknown,
        }
    }

    fn flushes_entries(&self) -> bool {
        self.flushes_entries
    }

    async fn set(&mut self, service: &VirtualService, setting: Setting, on: bool) -> Result<(), Fault> {
        match setting {
            Setting::ExpireNodest => self.sysctls.turn("expire_nodest_conn", on),
            Setting::QuiescentTemplate => self.sysctls.turn("expire_quiescent_template", on),
            Setting::Fallback => {
                let flag = ServiceFlags::SCHED1;
                let flags = if on { flag } else { ServiceFlags::default() };
                let set = self.ipvs.set_service_flags(service, flags, flag).await;
                set.map(drop).map_err(fault)
            }
        }
    }

    fn counters(&self) -> Evidence<()> {
        self.sysctls.counters()
    }

    fn take_up(&mut self, asked: &BTreeSet<(VirtualService, RealServer)>) {
        if let Ok(observer) = &mut self.observer {
            observer.take_up(asked);
        }
    }

    fn watch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault> {
        let now = clock::now();
        if let Some(fault) = self
            .watch_fault
            .as_ref()
            .filter(|fault| !fault.may_have_passed(now))
        {
            return Err(Fault(fault.why.clone()));
        }
        let neighbours = self.neighbours();
        let watched = match &mut self.observer {
            Ok(observer) => neighbours
                .map_or(Ok(()), |known| observer.set_neighbours(known))
                .and_then(|()| observer.watch(service, server))
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.watch_fault = watched.as_ref().err().map(|why| WatchFault {
            at: now,
            why: why.clone(),
        });
        watched.map_err(Fault)
    }

    fn unwatch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault> {
        match &mut self.observer {
            Ok(observer) => observer
                .unwatch(service, server)
                .map_err(|error| Fault(error.to_string())),
            Err(_) => Ok(()),
        }
    }

    fn is_watched(&self, service: &VirtualService, server: &RealServer) -> bool {
        self.observer
            .as_ref()
            .is_ok_and(|observer| observer.is_watched(service, server))
    }

    fn flows(&self, service: &VirtualService, server: &RealServer, policy: &Policy) -> Evidence<Flows> {
        let observer = match &self.observer {
            Ok(observer) => observer,
            Err(error) => return Evidence::Unknown(error.to_string()),
        };
        if let Err(error) = observer.intact() {
            return Evidence::Unknown(error.to_string());
        }
        if !observer.is_watched(service, server) {
            let why = self.watch_fault.as_ref().map_or_else(
                || "the watch has not begun yet".to_owned(),
                |fault| fault.why.clone(),
            );
            return Evidence::Unknown(why);
        }
        let secs = |secs: u32| Duration::from_secs(u64::from(secs));
        let quiet = QuietWindows {
            udp: secs(policy.udp_quiet_secs),
            tcp: secs(policy.tcp_quiet_secs),
            closing: secs(policy.closing_quiet_secs),
        };
        match observer.read(service, server, &quiet, clock::now()) {
            Ok(reading) => evidence(&reading),
            Err(error) => Evidence::Unknown(error.to_string()),
        }
    }

    fn rung_ahead(&self) -> Evidence<(Rung, Option<String>)> {
        let ahead = match &self.observer {
            Ok(observer) => observer.rung_ahead().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match ahead {
            Ok((ahead, cause)) => Evidence::Known((rung(ahead), cause.map(str::to_owned))),
            Err(why) => Evidence::Unknown(why),
        }
    }

    fn lacking(&self, service: &VirtualService, server: &RealServer) -> Lacking {
        let Ok(observer) = &self.observer else {
            return Lacking::default();
        };
        Lacking {
            better_rung: observer.rung().1.map(str::to_owned),
            arrivals: observer.why_no_arrivals(service, server),
        }
    }

    fn flow_details(
        &self,
        service: &VirtualService,
        server: &RealServer,
        limit: usize,
    ) -> Result<FlowDetails, Fault> {
        let found = match &self.observer {
            Ok(observer) => observer
                .flows(service, server, limit)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        found.map_err(Fault)
    }

    fn attached(&self) -> Vec<String> {
        self.observer.as_ref().map(Observer::attached).unwrap_or_default()
    }

    fn usage(&self) -> Option<Usage> {
        self.observer.as_ref().ok().map(Observer::usage)
    }

    fn tidy(&mut self) {
        if let Ok(observer) = &self.observer {
            let watched: BTreeSet<VirtualService> = observer.watched().map(|(service, _)| service).collect();
            self.servers.retain(|service, _| watched.contains(service));
        }
        let neighbours = self.neighbours();
        let Ok(observer) = &mut self.observer else { return };
        observer.release();
        observer.relay_messages();
        let now = clock::now();
        if let Err(error) = neighbours
            .map_or(Ok(()), |known| observer.set_neighbours(known))
            .and_then(|()| observer.mend(now))
        {
            warn!("the observer could not be tended: {error}");
        }
        if now.since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        if let Err(error) = observer.sweep(now) {
            warn!("old flows keep their room in the flow table: {error}");
        }
    }
}

/// A reading that missed a flow, or that took something else for a connection, is no evidence.
fn evidence(reading: &Reading) -> Evidence<Flows> {
    if reading.mistaken > 0 {
        return Evidence::Unknown(format!(
            "{} times what was read as a connection was none: the layout of struct ip_vs_conn is not the one its \
             BTF tells",
            reading.mistaken
        ));
    }
    if reading.untracked > 0 {
        return Evidence::Unknown(format!(
            "flow table full: {} packets came of flows that found no room and are not tracked; start the daemon with \
             a larger --flow-capacity",
            reading.untracked
        ));
    }
    let arrivals = reading.arrivals.as_ref().ok().and_then(|arrivals| {
        Some(Arrivals {
            arrived: arrivals.arrived,
            elsewhere: arrivals.elsewhere,
            moved: arrivals.moved,
            lost: arrivals.lost?,
        })
    });
    Evidence::Known(Flows {
        udp: reading.live_udp,
        tcp_open: reading.live_tcp_open,
        tcp_closing: reading.live_tcp_closing,
        forwarded: reading.forwarded,
        packets: reading.forwarded + reading.replied,
        started: reading.started,
        last_packet: reading.last_packet,
        watched_since: reading.watched_since,
        rung: rung(reading.rung),
        arrivals,
    })
}

const fn rung(seen_by: observe::Rung) -> Rung {
    match seen_by {
        observe::Rung::Probes => Rung::Probes,
        observe::Rung::Arrivals => Rung::Arrivals,
        observe::Rung::Counters => Rung::Counters,
    }
}

/// `sh` and `mh` keep sending a share of new flows to a server at weight 0, and drop them, unless their fallback
/// flag is set; `dh` always does.
pub(crate) fn at_zero(service: &Service) -> AtZero {
    match service.scheduler.as_str() {
        "sh" | "mh" => AtZero::Fallback(service.flags.contains(ServiceFlags::SCHED1)),
        "dh" => AtZero::Drops,
        _ => AtZero::Skips,
    }
}

fn present(destination: &Destination) -> Server {
    Server {
        configuration: configuration(destination),
        active: destination.active,
        inactive: destination.inactive,
        persistent: destination.persistent,
        packets: destination.stats.packets_in,
        packets_out: destination.stats.packets_out,
    }
}

fn member(destination: &Destination) -> Member {
    Member {
        server: destination.server,
        weight: destination.weight,
        full: destination.weight,
    }
}

fn configuration(destination: &Destination) -> Configuration {
    Configuration {
        forwarding: destination.forwarding,
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
    }
}

fn listed(destination: &Destination) -> ListedServer {
    ListedServer {
        server: destination.server,
        configuration: configuration(destination),
        active: destination.active,
        inactive: destination.inactive,
        persistent: destination.persistent,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn fault(error: ipvs::Error) -> Fault {
    Fault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: Reading = Reading {
        rung: observe::Rung::Probes,
        arrivals: Err(String::new()),
        live_udp: 0,
        live_tcp_open: 0,
        live_tcp_closing: 0,
        forwarded: 10,
        replied: 0,
        started: 0,
        last_packet: None,
        untracked: 0,
        mistaken: 0,
        watched_since: Moment::from_secs(1),
        seed: None,
    };

    #[test]
    fn a_flow_that_found_no_room_leaves_silence_unproven() {
        assert!(matches!(evidence(&COMPLETE), Evidence::Known(_)));
        let missed = Reading {
            untracked: 7,
            ..COMPLETE
        };
        let Evidence::Unknown(why) = evidence(&missed) else {
            panic!("a reading that missed a flow is evidence");
        };
        assert!(
            why.contains("flow table full: 7 packets") && why.contains("--flow-capacity"),
            "{why}"
        );
    }
}
