//! The netlink socket: sends one request, gathers its answer. Knows nothing of IPVS beyond the family's number.
//!
//! Never two requests at once. What an earlier caller left unread (its future was dropped half-way through a dump) is
//! read and thrown away first, or the kernel would refuse the next dump as busy.

use std::io;

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use tokio::io::unix::AsyncFd;

use super::wire::{Answer, Collector, Failure, Request, family_id, family_request};

/// How much a socket takes per datagram. A dump is cut into chunks of this size, and no kernel so far makes longer ones
/// than the wide one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Width {
    Wide,
    /// Cuts a list elsewhere than [`Width::Wide`] does: 57 destinations per chunk, not 91, so that no cut of one is a
    /// cut of the other before the 5187th.
    Narrow,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::Wide => 32 * 1024,
            Width::Narrow => 20 * 1024,
        }
    }
}

/// Generic netlink's own family, which knows the others.
const CONTROL: u16 = 0x10;

pub(super) struct Socket {
    netlink: AsyncFd<NlSocket>,
    /// The kernel's name for this socket; its answers carry it.
    port: u32,
    sequence: u32,
    family: u16,
    buffer: Vec<u8>,
    /// Each datagram received, while somebody wants them kept.
    pub(super) recording: Option<Vec<Vec<u8>>>,
}

impl Socket {
    /// Opens a socket in the network namespace of the calling thread, where it stays, and looks the family up.
    pub(super) async fn open(width: Width) -> Result<Self, Failure> {
        let netlink = NlSocket::connect(NlFamily::Generic, None, Groups::empty()).map_err(Failure::Socket)?;
        netlink.nonblock().map_err(Failure::Socket)?;
        let port = netlink.pid().map_err(Failure::Socket)?;
        // SAFETY: `NlSocket` owns its descriptor and keeps it open until it is dropped, which `AsyncFd` does.
        let netlink = unsafe { AsyncFd::register(netlink) }.map_err(|error| Failure::Socket(error.into()))?;
        let buffer = vec![0; width.bytes()];
        let mut socket = Socket {
            netlink,
            port,
            sequence: 0,
            family: 0,
            buffer,
            recording: None,
        };
        socket.look_family_up().await?;
        Ok(socket)
    }

    /// Sends a request to IPVS and gathers its answer. `build` is called again where the request must be sent again.
    pub(super) async fn ask(&mut self, build: impl Fn() -> Request) -> Result<Answer, Failure> {
        match self.ask_once(build()).await {
            // The kernel also says ENOENT when ip_vs was unloaded and loaded again, under another number.
            Err(Failure::Refused(Errno::ENOENT)) => {
                let before = self.family;
                self.look_family_up().await?;
                if self.family == before {
                    return Err(Failure::Refused(Errno::ENOENT));
                }
                self.ask_once(build()).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&mut self, request: Request) -> Result<Answer, Failure> {
        let dump = request.dump;
        let sequence = self.next_sequence();
        let bytes = request.bytes(self.family, sequence);
        self.converse(&bytes, Collector::new(self.family, sequence, self.port, dump))
            .await
    }

    async fn look_family_up(&mut self) -> Result<(), Failure> {
        let sequence = self.next_sequence();
        let collector = Collector::new(CONTROL, sequence, self.port, false);
        let answer = match self.converse(&family_request(sequence), collector).await {
            Err(Failure::Refused(Errno::ENOENT)) => return Err(Failure::NotLoaded),
            answer => answer?,
        };
        let (_, attributes) = answer.messages.first().ok_or(Failure::NotLoaded)?;
        self.family = family_id(attributes).map_err(Failure::Malformed)?;
        Ok(())
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    async fn converse(&mut self, request: &[u8], mut collector: Collector) -> Result<Answer, Failure> {
        self.throw_leftovers_away();
        loop {
            let mut ready = self.netlink.writable().await.map_err(Failure::Socket)?;
            match ready.try_io(|netlink| netlink.get_ref().send(request, Msg::empty())) {
                Ok(sent) => {
                    sent.map_err(failure)?;
                    break;
                }
                Err(_would_block) => {}
            }
        }
        loop {
            let mut ready = self.netlink.readable().await.map_err(Failure::Socket)?;
            match ready.try_io(|netlink| netlink.get_ref().recv(&mut self.buffer, Msg::empty())) {
                Ok(received) => {
                    let (len, _) = received.map_err(failure)?;
                    let datagram = &self.buffer[..len];
                    if let Some(recording) = &mut self.recording {
                        recording.push(datagram.to_vec());
                    }
                    if let Some(answer) = collector.take(datagram)? {
                        return Ok(answer);
                    }
                }
                Err(_would_block) => {}
            }
        }
    }

    /// Reading to the end also ends a dump that was left half-way: the kernel writes its next chunk when one is read.
    fn throw_leftovers_away(&mut self) {
        loop {
            match self.netlink.get_ref().recv(&mut self.buffer, Msg::empty()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Another error is told once by each read; the conversation itself will meet it if it stays.
                Err(error) if Errno::from_raw(error.raw_os_error().unwrap_or(0)) != Errno::ENOBUFS => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn failure(error: io::Error) -> Failure {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOBUFS) => Failure::Overrun,
        _ => Failure::Socket(error),
    }
}
