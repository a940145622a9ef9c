//! The daemon as those see it who scrape it: a real Prometheus, with node_exporter beside it.

mod drains;
mod http;
mod joined;
mod prometheus;
mod scale;

pub(in crate::scenarios) use drains::SCENARIO as DRAINS;
pub(in crate::scenarios) use joined::SCENARIO as JOINED;
pub(in crate::scenarios) use scale::SCENARIO as AT_SCALE;

/// Where the daemon's metrics are, unless it is told otherwise.
const METRICS: &str = "127.0.0.1:9969";
