//! Real DNS: nsd on every real server, dnsperf on the client.

mod load;
mod question;
mod server;

pub use load::{Count, Load};
pub use question::{answered, is_success, question};
pub use server::Servers;

/// Debian packages a scenario with DNS needs.
pub const PROGRAMS: &[&str] = &["nsd", "dnsperf"];

/// The zone every server answers for.
pub const ZONE: &str = "example";
/// How many names the zone holds: `host0.example` and so on.
pub const NAMES: u32 = 10;
