//! The client's UDP side: one thread that sends every planned flow at absolute deadlines and notes replies.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;

use super::{Replies, Stop, Worker};
use crate::clock;
use crate::ledger::{Flow, Ledger, Ports, RECORD_LEN, Record, Transport};
use crate::world::Machine;

/// A flow as planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpFlow {
    /// When the first datagram is sent, after the sender's start.
    pub starts: Duration,
    /// None: until the sender is stopped.
    pub lasts: Option<Duration>,
    /// From one datagram to the next.
    pub every: Duration,
    /// None: a port the kernel picks.
    pub source_port: Option<u16>,
}

/// Endlessly many flows from fresh ports, one begun every `apart`, each of `datagrams` datagrams `every` apart.
pub fn short_udp_flows(
    apart: Duration,
    datagrams: u32,
    every: Duration,
) -> impl Iterator<Item = UdpFlow> + Send {
    let lasts = Some(every * datagrams.saturating_sub(1));
    (0u32..).map(move |number| UdpFlow {
        starts: apart * number,
        lasts,
        every,
        source_port: None,
    })
}

/// A flow under way.
#[derive(Debug)]
struct Sending {
    socket: UdpSocket,
    flow: Flow,
    plan: UdpFlow,
    sequence: u64,
    next: Moment,
    ends: Option<Moment>,
}

/// Begins sending at once.
pub(super) fn start(
    client: &Machine,
    to: SocketAddr,
    replies: Replies,
    plans: impl Iterator<Item = UdpFlow> + Send + 'static,
    ledger: &Ledger,
) -> Result<Worker> {
    let sender = Sender {
        to,
        replies,
        ledger: ledger.clone(),
        active: Vec::new(),
        ended: Vec::new(),
    };
    Worker::start("udp sender", client, move |stop| sender.run(plans, stop))
}

#[derive(Debug)]
struct Sender {
    to: SocketAddr,
    replies: Replies,
    ledger: Ledger,
    active: Vec<Sending>,
    /// Flows whose last datagram is sent, kept open while a reply may still come.
    ended: Vec<Sending>,
}

impl Sender {
    fn run(mut self, plans: impl Iterator<Item = UdpFlow>, stop: &Stop) -> Result<()> {
        let start = clock::now();
        let mut plans = plans.peekable();
        loop {
            let begin = plans.peek().map(|plan| start + plan.starts);
            let deadline = self.active.iter().map(|sending| sending.next).chain(begin).min();
            if self.await_replies(stop, deadline)? {
                break;
            }
            let now = clock::now();
            // Before others begin: one of them may want the same port.
            self.ended
                .retain(|sending| sending.next + self.replies.patience() > now);
            while let Some(plan) = plans.next_if(|plan| start + plan.starts <= now) {
                let sending = self.open(plan, start + plan.starts)?;
                self.active.push(sending);
            }
            self.send_due(now);
        }
        let now = clock::now();
        for sending in &self.active {
            self.ledger.closed(sending.flow, now);
        }
        self.await_last_replies(now + self.replies.patience())
    }

    fn open(&self, plan: UdpFlow, begin: Moment) -> Result<Sending> {
        let port = plan.source_port.unwrap_or(0);
        let any: IpAddr = match self.to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket =
            UdpSocket::bind((any, port)).with_context(|| format!("cannot bind udp source port {port}"))?;
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr().context("cannot tell a source port")?;
        let flow = self.ledger.open(Transport::Udp(Ports {
            client: bound.port(),
            service: self.to.port(),
        }));
        Ok(Sending {
            socket,
            flow,
            plan,
            sequence: 0,
            next: begin,
            ends: plan.lasts.map(|lasts| begin + lasts),
        })
    }

    fn send_due(&mut self, now: Moment) {
        for sending in &mut self.active {
            while sending.next <= now && !sending.over() {
                sending.send(self.to, &self.ledger);
            }
        }
        let (over, active) = self.active.drain(..).partition(Sending::over);
        self.active = active;
        for sending in over {
            self.ledger.closed(sending.flow, now);
            self.ended.push(sending);
        }
    }

    /// True if asked to stop.
    fn await_replies(&self, stop: &Stop, deadline: Option<Moment>) -> Result<bool> {
        let sockets: Vec<_> = match self.replies {
            Replies::Echo | Replies::Late(_) => self.active.iter().chain(&self.ended).collect(),
            Replies::None => Vec::new(),
        };
        let fds: Vec<_> = sockets.iter().map(|sending| sending.socket.as_fd()).collect();
        let wake = stop.wait(&fds, deadline)?;
        for place in wake.ready {
            sockets[place].note_replies(&self.ledger);
        }
        Ok(wake.stopped)
    }

    /// Waits for replies to what the servers received, while there are any.
    fn await_last_replies(&self, deadline: Moment) -> Result<()> {
        if self.replies == Replies::None {
            return Ok(());
        }
        let sockets: Vec<_> = self.active.iter().chain(&self.ended).collect();
        let fds: Vec<_> = sockets.iter().map(|sending| sending.socket.as_fd()).collect();
        while clock::now() < deadline {
            let account = self.ledger.account();
            let outstanding = sockets.iter().filter_map(|sending| account.of(sending.flow));
            if outstanding
                .into_iter()
                .all(|flow| flow.unanswered.is_empty() && flow.lost.is_empty())
            {
                break;
            }
            for place in super::stop::wait_for(&fds, deadline)? {
                sockets[place].note_replies(&self.ledger);
            }
        }
        Ok(())
    }
}

impl Sending {
    fn over(&self) -> bool {
        self.ends.is_some_and(|ends| self.next > ends)
    }

    fn send(&mut self, to: SocketAddr, ledger: &Ledger) {
        let record = Record {
            flow: self.flow,
            sequence: self.sequence,
        };
        ledger.sent(self.flow, self.sequence, clock::now());
        if let Err(error) = self.socket.send_to(&record.to_bytes(), to) {
            ledger.broken(
                self.flow,
                format!("cannot send datagram {}: {error}", self.sequence),
            );
        }
        self.sequence += 1;
        self.next = self.next + self.plan.every;
    }

    fn note_replies(&self, ledger: &Ledger) {
        let mut bytes = [0; RECORD_LEN + 1];
        loop {
            match self.socket.recv_from(&mut bytes) {
                Ok((count, _)) => {
                    let record = Record::from_bytes(&bytes[..count]);
                    if let Some(record) = record.filter(|record| record.flow == self.flow) {
                        ledger.answered(record, clock::now());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_flows_begin_evenly_and_end_with_their_last_datagram() {
        let (apart, every) = (Duration::from_secs(2), Duration::from_millis(100));
        let flows: Vec<_> = short_udp_flows(apart, 3, every).take(3).collect();
        assert_eq!(
            flows.iter().map(|flow| flow.starts.as_secs()).collect::<Vec<_>>(),
            [0, 2, 4]
        );
        assert!(
            flows
                .iter()
                .all(|flow| flow.lasts == Some(Duration::from_millis(200)))
        );
    }
}
