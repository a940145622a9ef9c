//! Real HTTP: nginx on every real server, wrk on the client, and downloads that count their bytes.

mod download;
mod load;
mod server;

pub use download::{DownloadCount, Downloads};
pub use load::{Load, WrkCount};
pub use server::Servers;

/// Debian packages a scenario with HTTP needs.
pub const PROGRAMS: &[&str] = &["nginx/nginx", "wrk/wrk"];

/// Where the long answer is.
const DOWNLOAD: &str = "/download";
/// It takes a minute: so many bytes, at so many a second.
const DOWNLOAD_BYTES: usize = 240 << 10;
const DOWNLOAD_PER_SECOND: usize = 4 << 10;
