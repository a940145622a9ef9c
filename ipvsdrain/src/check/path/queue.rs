//! The packets between a check's own stack and the link.

use std::collections::VecDeque;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// What every link carries.
const MTU: usize = 1500;

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) received: VecDeque<Vec<u8>>,
    pub(super) to_send: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Received(Vec<u8>);

#[derive(Debug)]
pub(super) struct ToSend<'a>(&'a mut VecDeque<Vec<u8>>);

impl Device for Queue {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, ToSend<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), ToSend(&mut self.to_send)))
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend(&mut self.to_send))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut is = DeviceCapabilities::default();
        is.medium = Medium::Ip;
        is.max_transmission_unit = MTU;
        // What comes from a neighbour on the same host may carry no checksum at all.
        let mut checksum = ChecksumCapabilities::default();
        checksum.ipv4 = Checksum::Tx;
        checksum.tcp = Checksum::Tx;
        checksum.udp = Checksum::Tx;
        is.checksum = checksum;
        is
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let written = write(&mut packet);
        self.0.push_back(packet);
        written
    }
}
