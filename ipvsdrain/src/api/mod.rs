//! HTTP/JSON on a unix socket: what the daemon shows and takes. The command line uses nothing else.
//!
//! ```text
//! GET  /v1/status                              the table, the drains, the attached programs, the journal's condition
//! POST /v1/drains    {service, server, …}      begins a drain           -> DrainView
//! GET  /v1/drains?service=…&server=…&after=R   the drain, as soon as its revision is above R -> DrainView
//! POST /v1/restores  {service, server}         turns a drain around     -> DrainView
//! GET  /v1/flows?service=…&server=…&limit=N    who talks to the server  -> FlowsView
//! GET  /v1/history?service=…&server=…&from=T&limit=N   drains over or not, newest first -> HistoryView
//! GET  /v1/events                              each drain as it stands, and again whenever it changes -> server-sent events
//! ```
//!
//! There are two sockets ([`access`]): one to act, and one on which `POST` is refused.
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
mod history_tests;
mod history_view;
pub mod server;
mod socket;
#[cfg(test)]
mod tests;
mod view;

pub use drain_view::{DrainView, LiveView, TransitionView};
pub use flow_view::{DEFAULT_LIMIT, FlowView, FlowsAsked, FlowsView, LARGEST_LIMIT, SeedView, Standing};
pub use history_view::{DEFAULT_PAST, HistoryAsked, HistoryView, LARGEST_PAST, PastDrain};
pub use view::{Asked, DrainRequest, JournalView, Problem, ProblemKind, ServerName, Status};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/ipvsdrain/ipvsdrain.sock";
