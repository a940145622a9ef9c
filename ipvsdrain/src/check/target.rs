//! Where a check connects: to the real server's own address, whatever the forwarding method.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use crate::identity::RealServer;

/// `None`: the server is behind a service of every port, and the check names none.
pub(super) fn target(server: RealServer, port: Option<NonZeroU16>) -> Option<SocketAddr> {
    let RealServer(own) = server;
    let port = port.map_or(own.port(), NonZeroU16::get);
    (port != 0).then(|| SocketAddr::new(own.ip(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_check_wins_and_there_must_be_one() {
        let at = |server: &str, port| target(server.parse().unwrap(), NonZeroU16::new(port));
        assert_eq!(at("10.1.0.5:53", 0), Some("10.1.0.5:53".parse().unwrap()));
        assert_eq!(
            at("[2001:db8::5]:0", 80),
            Some("[2001:db8::5]:80".parse().unwrap())
        );
        assert_eq!(at("10.1.0.5:53", 80), Some("10.1.0.5:80".parse().unwrap()));
        assert_eq!(at("10.1.0.5:0", 0), None);
    }
}
