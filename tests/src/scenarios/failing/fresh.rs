//! Queries from fresh ports: each a new flow to the director, as most clients of a resolver send them.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;

use crate::clock;
use crate::dns::{self, ZONE};
use crate::traffic::Worker;
use crate::world::{VIP, World};

/// A query without an answer by then is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sent, and without an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

/// Queries under way; dropping it ends them.
#[derive(Debug)]
pub(super) struct Fresh {
    count: Arc<Mutex<Count>>,
    worker: Worker,
}

#[derive(Debug)]
struct Query {
    socket: UdpSocket,
    sent: Moment,
}

impl Fresh {
    /// One query each `every`.
    pub(super) fn start(world: &World, port: u16, every: Duration) -> Result<Self> {
        let count: Arc<Mutex<Count>> = Arc::default();
        let counted = Arc::clone(&count);
        let worker = Worker::start("fresh queries", world.client(), move |stop| {
            let question = dns::question(&format!("host1.{ZONE}"));
            let mut waiting: Vec<Query> = Vec::new();
            let mut next = clock::now();
            while !stop.wait_until(next)? {
                next = next + every;
                let socket = UdpSocket::bind("0.0.0.0:0").context("cannot open a socket for a query")?;
                socket.set_nonblocking(true)?;
                socket.connect((VIP, port))?;
                // Without a route or a server this is a loss like any other.
                drop(socket.send(&question));
                waiting.push(Query {
                    socket,
                    sent: clock::now(),
                });
                let lost = settle(&mut waiting, clock::now());
                let mut count = counted.lock().unwrap_or_else(PoisonError::into_inner);
                count.sent += 1;
                count.lost += lost;
            }
            let deadline = clock::now() + PATIENCE;
            clock::pass(PATIENCE);
            let lost = settle(&mut waiting, deadline + PATIENCE);
            counted.lock().unwrap_or_else(PoisonError::into_inner).lost += lost;
            Ok(())
        })?;
        Ok(Self { count, worker })
    }

    pub(super) fn finish(self) -> Result<Count> {
        self.worker.finish()?;
        let count = *self.count.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(count)
    }
}

/// Drops what was answered or has waited too long by `now`, and counts the latter.
fn settle(waiting: &mut Vec<Query>, now: Moment) -> u64 {
    let mut lost = 0;
    let mut bytes = [0; 512];
    waiting.retain(|query| {
        let answered = query
            .socket
            .recv(&mut bytes)
            .is_ok_and(|length| dns::is_success(&bytes[..length]));
        let is_late = now.since(query.sent) >= PATIENCE;
        lost += u64::from(is_late && !answered);
        !answered && !is_late
    });
    lost
}
