//! Downloads that take a minute, from a client that says nothing but its one request.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use ipvsdrain::moment::Moment;
use serde::Serialize;

use super::server::service;
use super::{DOWNLOAD, DOWNLOAD_BYTES};
use crate::clock;
use crate::traffic::{Stop, Worker};
use crate::world::World;

/// A download that got nothing for this long is stuck: the server sends every second.
const STUCK: Duration = Duration::from_secs(15);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How downloads fared. Those that are well under way at the end are in none but the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DownloadCount {
    pub begun: u64,
    pub whole: u64,
    /// Cut off, stuck, or never begun for want of a connection.
    pub broken: u64,
    pub bytes: u64,
}

/// One begun at every interval, until told to end.
#[derive(Debug)]
pub struct Downloads {
    worker: Worker,
    count: Arc<Mutex<DownloadCount>>,
}

impl Downloads {
    pub fn start(world: &World, port: u16, apart: Duration) -> Result<Self> {
        let count: Arc<Mutex<DownloadCount>> = Arc::default();
        let told = Arc::clone(&count);
        let worker = Worker::start("downloads", world.client(), move |stop| {
            let ended = run(service(port), apart, stop)?;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = ended;
            Ok(())
        })?;
        Ok(Self { worker, count })
    }

    pub fn finish(self) -> Result<DownloadCount> {
        self.worker.finish()?;
        Ok(*self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Download {
    stream: TcpStream,
    /// Of the answer's body.
    bytes: usize,
    head: Vec<u8>,
    heard: Moment,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

fn run(to: SocketAddrV4, apart: Duration, stop: &Stop) -> Result<DownloadCount> {
    let mut count = DownloadCount::default();
    let mut open: Vec<Download> = Vec::new();
    let mut next = clock::now();
    loop {
        let fds: Vec<_> = open.iter().map(|download| download.stream.as_fd()).collect();
        let wake = stop.wait(&fds, Some(next))?;
        for place in wake.ready {
            open[place].read();
        }
        count.settle(&mut open);
        if wake.stopped {
            break;
        }
        if clock::now() >= next {
            count.begun += 1;
            match Download::begin(to) {
                Ok(download) => open.push(download),
                Err(_) => count.broken += 1,
            }
            next = next + apart;
        }
    }
    let now = clock::now();
    for download in open {
        count.bytes += download.bytes as u64;
        count.broken += u64::from(now.since(download.heard) > STUCK);
    }
    Ok(count)
}

impl DownloadCount {
    /// Takes out those that ended.
    fn settle(&mut self, open: &mut Vec<Download>) {
        open.retain(|download| {
            let Some(end) = download.end else { return true };
            self.bytes += download.bytes as u64;
            match end {
                End::Whole => self.whole += 1,
                End::Broken => self.broken += 1,
            }
            false
        });
    }
}

impl Download {
    fn begin(to: SocketAddrV4) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&to.into(), CONNECT_LIMIT)?;
        stream.write_all(format!("GET {DOWNLOAD} HTTP/1.0\r\n\r\n").as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            bytes: 0,
            head: Vec::new(),
            heard: clock::now(),
            end: None,
        })
    }

    /// Reads all there is.
    fn read(&mut self) {
        const BREAK: &[u8] = b"\r\n\r\n";
        let mut bytes = [0; 16 << 10];
        while self.end.is_none() {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.end = Some(self.at_its_end()),
                Ok(count) => {
                    self.heard = clock::now();
                    if self.head.ends_with(BREAK) {
                        self.bytes += count;
                        continue;
                    }
                    self.head.extend_from_slice(&bytes[..count]);
                    let found = self.head.windows(BREAK.len()).position(|window| window == BREAK);
                    if let Some(at) = found {
                        self.bytes += self.head.len() - at - BREAK.len();
                        self.head.truncate(at + BREAK.len());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.end = Some(End::Broken),
            }
        }
    }

    fn at_its_end(&self) -> End {
        if self.bytes == DOWNLOAD_BYTES {
            End::Whole
        } else {
            End::Broken
        }
    }
}
