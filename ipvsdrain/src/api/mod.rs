//! HTTP/JSON on a unix socket: what the daemon shows and takes. The command line uses nothing else.
//!
//! ```text
//! GET  /v1/status                              the table, the drains, health, the attached programs, the journal's condition
//! POST /v1/drains    {service, server, …}      begins a drain           -> DrainView
//! POST /v1/plans     {service, server, …}      the same request, judged and not begun -> PlanView
//! GET  /v1/drains?service=…&server=…&after=R   the drain, as soon as its revision is above R -> DrainView
//! POST /v1/restores  {service, server}         turns a drain around     -> DrainView
//! GET  /v1/flows?service=…&server=…&limit=N    who talks to the server  -> FlowsView
//! GET  /v1/history?service=…&server=…&from=T&limit=N   drains over or not, newest first -> HistoryView
//! POST /v1/reports   {service, server, source, status, ttl_secs, cause}   a word on its health -> HealthView, or null
//! GET  /v1/health                              every server that somebody spoke of -> HealthList
//! GET  /v1/events                              each drain as it stands, and again whenever it changes -> server-sent events
//! GET  /v1/openapi.json                        all of this for programs, as `openapi.json` has it
//! ```
//!
//! There are two sockets ([`access`]): one to act, and one that refuses whatever changes something.
//!
//! A request that is not carried out answers 4xx or 5xx with a [`Problem`].

pub mod access;
pub mod client;
mod drain_view;
#[cfg(test)]
mod drain_view_tests;
mod events;
mod flow_view;
#[cfg(test)]
mod health_tests;
mod health_view;
#[cfg(test)]
mod history_tests;
mod history_view;
#[cfg(test)]
mod malformed_tests;
#[cfg(test)]
mod openapi_tests;
mod plan_view;
#[cfg(test)]
mod raw;
mod report;
#[cfg(test)]
mod rights_tests;
pub mod server;
mod socket;
#[cfg(test)]
mod tests;
mod view;

pub use drain_view::{DrainView, LiveView, TransitionView};
pub use flow_view::{DEFAULT_LIMIT, FlowView, FlowsAsked, FlowsView, LARGEST_LIMIT, SeedView, Standing};
pub use health_view::{FailureView, HealthList, HealthView, Says, WordView};
pub use history_view::{DEFAULT_PAST, HistoryAsked, HistoryView, LARGEST_PAST, PastDrain};
pub use plan_view::{CapacityView, PlanView, RefusalKind, RefusalView, Would};
pub use report::{ReportRequest, ReportStatus};
pub use view::{Asked, DrainRequest, JournalView, Problem, ProblemKind, ServerName, Status};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/ipvsdrain/ipvsdrain.sock";
