//! What a real server needs to take packets out of a tunnel: modules, a receiver, a device that is up.

use anyhow::Result;
use ipvsdrain::identity::Family;

use super::forwarding::GUE_PORT;
use super::{Forwarding, Machine};

/// The modules whose devices and receivers the servers use; loaded before any namespace asks for a device.
pub(super) fn load_modules(forwarding: Forwarding, families: &[Family]) -> Result<()> {
    for family in families {
        let modules: &[&str] = match (forwarding, family) {
            (Forwarding::Masquerade | Forwarding::DirectRoute, _) => &[],
            (Forwarding::Tunnel, Family::V4) => &["ipip"],
            (Forwarding::Tunnel, Family::V6) => &["ip6_tunnel"],
            (Forwarding::Gue, Family::V4) => &["ipip", "fou"],
            (Forwarding::Gue, Family::V6) => &["ip6_tunnel", "fou"],
            (Forwarding::Gre, Family::V4) => &["ip_gre"],
            (Forwarding::Gre, Family::V6) => &["ip6_gre"],
        };
        for module in modules {
            Machine::host("modprobe", &[module])?;
        }
    }
    Ok(())
}

/// Lets `server` receive: each namespace has a device of every loaded kind already, which takes what no other does.
pub(super) fn receive(server: &Machine, forwarding: Forwarding, families: &[Family]) -> Result<()> {
    for family in families {
        let (option, device) = match (forwarding, family) {
            (Forwarding::Masquerade | Forwarding::DirectRoute, _) => return Ok(()),
            (Forwarding::Tunnel | Forwarding::Gue, Family::V4) => ("-4", "tunl0"),
            (Forwarding::Tunnel | Forwarding::Gue, Family::V6) => ("-6", "ip6tnl0"),
            (Forwarding::Gre, Family::V4) => ("-4", "gre0"),
            (Forwarding::Gre, Family::V6) => ("-6", "ip6gre0"),
        };
        if forwarding == Forwarding::Gue {
            // The packet inside is handed on by its own protocol, to the device for IP in IP.
            let port = GUE_PORT.to_string();
            server.run("ip", &[option, "fou", "add", "port", &port, "gue"], "")?;
        }
        server.ip(&format!("link set {device} up\n"))?;
        if *family == Family::V4 {
            server.set_sysctl(&format!("net.ipv4.conf.{device}.rp_filter"), "0")?;
        }
    }
    Ok(())
}
