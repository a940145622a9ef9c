//! Single flows as JSON, and what each of them means for the drain.

use std::net::SocketAddr;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::Class;
use serde::{Deserialize, Serialize};

use crate::drain::{Policy, Record};
use crate::identity::{Protocol, RealServer, VirtualService};
use crate::moment::Moment;
use crate::supervise::{FlowDetail, FlowDetails, SeedSummary};

/// How many flows are shown unless asked otherwise.
pub const DEFAULT_LIMIT: u32 = 100;
/// And how many can be asked for.
pub const LARGEST_LIMIT: u32 = 10_000;

/// Which flows are asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FlowsAsked {
    pub service: VirtualService,
    pub server: RealServer,
    /// 1 to [`LARGEST_LIMIT`].
    #[serde(default = "default_limit")]
    pub limit: u32,
}

const fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

/// The flows of one watched real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowsView {
    pub service: VirtualService,
    pub server: RealServer,
    /// Those that moved last first.
    pub flows: Vec<FlowView>,
    /// How many there were to choose from.
    pub found: u64,
    /// False if time ran out before all flows were looked at.
    pub complete: bool,
    /// What the kernel's table held at the start of the watch; `null` if it could not be read.
    pub seed: Option<SeedView>,
    /// When this was seen: nanoseconds of `CLOCK_MONOTONIC`.
    pub at: Moment,
}

/// One flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowView {
    pub client: SocketAddr,
    #[serde(rename = "virtual")]
    pub virtual_addr: SocketAddr,
    /// `udp`, `tcp`, `sctp`, or `ip-51` for others behind a firewall mark.
    pub protocol: String,
    /// IPVS's name for the state of a TCP connection or an SCTP association.
    pub tcp_state: Option<String>,
    /// Since the first packet that was seen.
    pub age_seconds: f64,
    /// The flow is older than its age: it had begun before the watch.
    pub older: bool,
    /// Since the last packet, in either direction.
    pub idle_seconds: f64,
    /// Packets from the client that were seen.
    pub requests: u64,
    /// Packets from the server that were seen on their way back.
    pub replies: u64,
    /// It moved within its quiet window, or is an established connection.
    pub live: bool,
    /// `null` while weight 0 was not seen yet, and of a flow that had begun before the watch if the watch itself
    /// began after weight 0.
    pub standing: Option<Standing>,
}

/// What a flow is to a server at weight 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Began before weight 0 and is still live.
    Pinned,
    /// Began after weight 0.
    Leaked,
    /// Began before weight 0 and has fallen silent or closed.
    Over,
}

impl Standing {
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Pinned => "pinned",
            Standing::Leaked => "leaked",
            Standing::Over => "over",
        }
    }
}

/// The kernel's entries of one real server at the start of its watch, live or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedView {
    pub tcp_open: u64,
    pub tcp_closing: u64,
    pub udp: u64,
    /// Until the kernel would have forgotten the first and the last of them.
    pub first_expiry_seconds: Option<u64>,
    pub last_expiry_seconds: Option<u64>,
    /// Lines read, over all servers.
    pub lines: u64,
    pub malformed: u64,
    /// False if time ran out: there may be more entries.
    pub complete: bool,
}

impl FlowsView {
    /// `record` is the drain the flows are watched for.
    pub(super) fn of(asked: FlowsAsked, details: &FlowDetails, record: Option<&Record>) -> Self {
        let view = |flow| FlowView::of(flow, details, record);
        Self {
            service: asked.service,
            server: asked.server,
            flows: details.flows.iter().map(view).collect(),
            found: details.found,
            complete: details.complete,
            seed: details.seed.map(SeedView::from),
            at: details.at,
        }
    }
}

impl FlowView {
    fn of(flow: &FlowDetail, details: &FlowDetails, record: Option<&Record>) -> Self {
        let live = is_live(
            flow,
            &record.map(|record| record.policy).unwrap_or_default(),
            details.at,
        );
        let quiesced_at = record.and_then(Record::quiesced_at);
        Self {
            client: flow.client,
            virtual_addr: flow.virtual_addr,
            protocol: Protocol::from_number(flow.protocol)
                .map_or_else(|| format!("ip-{}", flow.protocol), |known| known.to_string()),
            tcp_state: flow.tcp_state.map(str::to_owned),
            age_seconds: details.at.since(flow.first_seen).as_secs_f64(),
            older: flow.began_earlier,
            idle_seconds: details.at.since(flow.last_seen).as_secs_f64(),
            requests: flow.requests,
            replies: flow.replies,
            live,
            standing: quiesced_at
                .and_then(|quiesced| began_before(flow, quiesced, details.watched_since))
                .map(|before| match (before, live) {
                    (false, _) => Standing::Leaked,
                    (true, true) => Standing::Pinned,
                    (true, false) => Standing::Over,
                }),
        }
    }
}

/// Did the flow begin before the server was at weight 0? `None`: it began before the watch, and the watch after that.
fn began_before(flow: &FlowDetail, quiesced: Moment, watched_since: Moment) -> Option<bool> {
    if flow.began_earlier {
        (watched_since <= quiesced).then_some(true)
    } else {
        Some(flow.first_seen < quiesced)
    }
}

fn is_live(flow: &FlowDetail, policy: &Policy, now: Moment) -> bool {
    if flow.tcp_state == Some("ESTABLISHED") {
        return true;
    }
    let quiet = match flow.class {
        Class::Udp => policy.udp_quiet_secs,
        Class::TcpOpen => policy.tcp_quiet_secs,
        Class::TcpClosing => policy.closing_quiet_secs,
    };
    now.since(flow.last_seen) < Duration::from_secs(u64::from(quiet))
}

impl From<SeedSummary> for SeedView {
    fn from(seed: SeedSummary) -> Self {
        Self {
            tcp_open: seed.tcp_open,
            tcp_closing: seed.tcp_closing,
            udp: seed.udp,
            first_expiry_seconds: seed.first_expiry.map(|expiry| expiry.as_secs()),
            last_expiry_seconds: seed.last_expiry.map(|expiry| expiry.as_secs()),
            lines: seed.lines,
            malformed: seed.malformed,
            complete: seed.complete,
        }
    }
}
