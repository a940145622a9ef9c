//! One conversation's own stack: moves packets between the link and its one socket.

use std::io;
use std::net::SocketAddrV4;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::AnySocket;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use tokio::time::{Instant as Clock, Sleep, sleep};

use super::link::Link;
use super::queue::Queue;
use super::wire::Wire;

/// ICMP, type 3: what was sent cannot be delivered.
const UNREACHABLE: u8 = 3;
/// Of that, code 3: nobody listens at the port.
const PORT_UNREACHABLE: u8 = 3;

pub(super) struct Stack {
    wire: Wire,
    queue: Queue,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    began: Clock,
    timer: Pin<Box<Sleep>>,
}

impl Stack {
    /// A stack with this socket, which speaks to `to` from this port.
    pub(super) fn new(
        link: &Link,
        to: SocketAddrV4,
        protocol: u8,
        port: u16,
        socket: impl AnySocket<'static>,
    ) -> io::Result<Self> {
        let wire = Wire::open(link, *to.ip(), protocol, port)?;
        let mut queue = Queue::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = rand::random();
        let mut interface = Interface::new(config, &mut queue, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // As wide as can be: everything is on this link.
            let _ = addresses.push(IpCidr::new(link.own.into(), 0));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Ok(Self {
            wire,
            queue,
            interface,
            sockets,
            handle,
            began: Clock::now(),
            timer: Box::pin(sleep(Duration::ZERO)),
        })
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// The socket, and what connecting it takes.
    pub(super) fn socket<T: AnySocket<'static>>(&mut self) -> (&mut T, &mut smoltcp::iface::Context) {
        let socket = self.sockets.get_mut::<T>(self.handle);
        (socket, self.interface.context())
    }

    /// Sends what is there to be sent, without waiting for anything.
    pub(super) fn flush(&mut self) {
        let now = self.now();
        self.interface.poll(now, &mut self.queue, &mut self.sockets);
        while let Some(packet) = self.queue.to_send.pop_front() {
            drop(self.wire.send(&packet));
        }
    }

    /// Moves whatever can be moved. Before it returns, this task is registered to be woken for what may come.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            while let Poll::Ready(packet) = self.wire.poll_receive(cx) {
                let packet = packet?;
                if let Some(error) = refusal(&packet) {
                    return Err(error);
                }
                self.queue.received.push_back(packet);
            }
            let now = self.now();
            let result = self.interface.poll(now, &mut self.queue, &mut self.sockets);
            while let Some(packet) = self.queue.to_send.pop_front() {
                self.wire.send(&packet)?;
            }
            if result == PollResult::SocketStateChanged {
                continue;
            }
            if let Some(delay) = self.interface.poll_delay(now, &self.sockets) {
                self.timer
                    .as_mut()
                    .reset(Clock::now() + Duration::from_micros(delay.total_micros()));
                if self.timer.as_mut().poll(cx).is_ready() {
                    continue;
                }
            }
            return Ok(());
        }
    }
}

/// What ICMP says about what was sent. The filter lets no other host's through.
fn refusal(packet: &[u8]) -> Option<io::Error> {
    let is_icmp = i32::from(*packet.get(9)?) == libc::IPPROTO_ICMP;
    let header = usize::from(packet[0] & 0x0f) * 4;
    let (kind, code) = (*packet.get(header)?, *packet.get(header + 1)?);
    let errno = match (kind, code) {
        (UNREACHABLE, PORT_UNREACHABLE) => Errno::ECONNREFUSED,
        (UNREACHABLE, _) => Errno::EHOSTUNREACH,
        _ => return None,
    };
    is_icmp.then(|| errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icmp(kind: u8, code: u8) -> Vec<u8> {
        let mut packet = vec![0; 24];
        packet[0] = 0x45;
        packet[9] = 1;
        packet.extend([kind, code, 0, 0]);
        packet.drain(20..24);
        packet
    }

    #[test]
    fn a_closed_port_is_a_refusal_and_an_echo_is_none() {
        let kind = |packet: &[u8]| refusal(packet).and_then(|error| error.raw_os_error());
        assert_eq!(kind(&icmp(3, 3)), Some(libc::ECONNREFUSED));
        assert_eq!(kind(&icmp(3, 1)), Some(libc::EHOSTUNREACH));
        assert_eq!(kind(&icmp(0, 0)), None);
        for length in 0..22 {
            assert_eq!(kind(&icmp(3, 3)[..length]), None, "{length} bytes");
        }
    }
}
