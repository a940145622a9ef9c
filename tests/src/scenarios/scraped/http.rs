//! A GET over a connection of its own, from inside a machine of the world.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock;

/// Nothing that is asked here takes as long.
const LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// From the request to the last byte, in the scenario's time.
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks in the namespace of the calling thread. `headers` are whole lines. Anything but 200 is an error.
pub(super) fn get(at: &str, path: &str, headers: &str) -> Result<Answer> {
    let context = || format!("GET http://{at}{path}");
    let began = clock::now();
    let mut stream = TcpStream::connect(at).with_context(context)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // In this version nothing comes in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).with_context(context)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).with_context(context)?;
    let took = clock::now().since(began);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.with_context(|| format!("{}: no HTTP", context()))?;
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "{}: {} {}",
        context(),
        head.trim(),
        String::from_utf8_lossy(&body)
    );
    Ok(Answer { body, took })
}

/// As a part of a URL's query.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
