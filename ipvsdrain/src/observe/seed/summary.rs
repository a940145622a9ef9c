//! What the kernel's table holds for one real server.

use std::net::SocketAddr;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::Class;

use super::line::{Entry, Line};
use crate::identity::{Family, RealServer, VirtualService};
use crate::moment::Moment;

/// The kernel's entries of one real server at the start of its watch, live or not. Behind a fwmark service they are
/// those of every service of its family with the same real server: the table does not show the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedSummary {
    /// TCP entries in a state IPVS counts as active, and SCTP ones that are not shut down; silent ones included.
    pub tcp_open: u64,
    /// TCP and SCTP entries in any other state.
    pub tcp_closing: u64,
    /// UDP entries, and those of any other protocol.
    pub udp: u64,
    /// Until the kernel forgets the first of these entries if no packet comes; whole seconds. `None`: no entry.
    pub first_expiry: Option<Duration>,
    /// And the last of them.
    pub last_expiry: Option<Duration>,
    /// Lines read, the header aside, whichever server they are about.
    pub lines: u64,
    /// Lines among them that could not be understood.
    pub malformed: u64,
    /// The table was read to its end. It is not a snapshot: entries that come or go meanwhile may be missed or show
    /// twice, and Linux 7.2 ends early if it resizes the table just then.
    pub complete: bool,
    /// When reading began.
    pub at: Moment,
}

impl SeedSummary {
    pub(super) fn empty(at: Moment) -> Self {
        Self {
            tcp_open: 0,
            tcp_closing: 0,
            udp: 0,
            first_expiry: None,
            last_expiry: None,
            lines: 0,
            malformed: 0,
            complete: false,
            at,
        }
    }

    pub(super) fn take(
        &mut self,
        line: Line,
        service: &VirtualService,
        server: &RealServer,
        mut each: impl FnMut(&Entry),
    ) {
        match line {
            Line::Header => return,
            Line::Malformed => self.malformed += 1,
            Line::Entry(entry) if belongs(&entry, service, server) => {
                self.count(&entry);
                each(&entry);
            }
            Line::Template | Line::Entry(_) => {}
        }
        self.lines += 1;
    }

    fn count(&mut self, entry: &Entry) {
        match entry.class {
            Class::TcpOpen => self.tcp_open += 1,
            Class::TcpClosing => self.tcp_closing += 1,
            Class::Udp => self.udp += 1,
        }
        let expires = entry.expires;
        self.first_expiry = Some(self.first_expiry.map_or(expires, |first| first.min(expires)));
        self.last_expiry = Some(self.last_expiry.map_or(expires, |last| last.max(expires)));
    }
}

/// Port 0 of a service or a server stands for every port.
fn belongs(entry: &Entry, service: &VirtualService, server: &RealServer) -> bool {
    let same = |wanted: SocketAddr, found: SocketAddr| {
        wanted.ip() == found.ip() && (wanted.port() == 0 || wanted.port() == found.port())
    };
    let of_service = match service {
        VirtualService::Address { protocol, addr } => {
            entry.protocol == Some(*protocol) && same(*addr, entry.virtual_addr)
        }
        VirtualService::Fwmark { family, .. } => *family == Family::of(entry.virtual_addr.ip()),
    };
    of_service && same(server.0, entry.server)
}
