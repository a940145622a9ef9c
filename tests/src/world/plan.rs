//! The lines that wire the world, as `ip -batch` takes them. Pure text, one function per kind of machine.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Forwarding, Machine, six};

pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(super) const DIRECTOR_OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const DIRECTOR_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// An address that every machine reaches over its link and that belongs to none.
pub(super) const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What servers that hold the VIP need on top: the VIP's owner on the link is the director alone.
pub(super) const SERVER_SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
];

/// `server1` is 10.1.0.5.
pub(super) fn server_address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 4)) + u32::from(number))
}

/// Made from the address, so that every machine knows every other's.
pub(super) fn link_address(machine: &Machine) -> String {
    let [a, b, c, d] = machine.address().octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The bridge and one pair of links per machine, its far end inside that machine as `eth0`.
pub(super) fn switch(hosts: &[&Machine]) -> String {
    // Links learn nothing from address resolution here, so what the bridge was taught must not age.
    let mut lines =
        "link add br0 type bridge ageing_time 100000000 mcast_snooping 0\nlink set br0 up\n".to_owned();
    for host in hosts {
        let (name, address) = (host.name(), link_address(host));
        let inside = host.namespace().path();
        let _ = writeln!(
            lines,
            "link add {name} type veth peer name eth0 address {address} netns {}\n\
             link set {name} master br0 up",
            inside.display()
        );
    }
    lines
}

/// What every machine needs: no filter on the source, no redirects between two subnets on one link, no IPv6 noise.
pub(super) fn sysctls(six: bool, more: &[(&'static str, &'static str)]) -> Vec<(String, &'static str)> {
    let mut settings = Vec::new();
    if !six {
        settings.push(("net.ipv6.conf.all.disable_ipv6".to_owned(), "1"));
    }
    for device in ["all", "eth0"] {
        for name in ["rp_filter", "send_redirects", "accept_redirects"] {
            settings.push((format!("net.ipv4.conf.{device}.{name}"), "0"));
        }
    }
    let more = more
        .iter()
        .chain(six.then_some(six::SYSCTLS).into_iter().flatten());
    settings.extend(more.map(|(name, value)| ((*name).to_owned(), *value)));
    settings
}

/// Forwarding first: turning it on resets others.
pub(super) fn director_sysctls(six: bool) -> Vec<(String, &'static str)> {
    let mut settings = vec![("net.ipv4.ip_forward".to_owned(), "1")];
    let forwarding = six.then_some(six::DIRECTOR_SYSCTLS).into_iter().flatten();
    settings.extend(forwarding.map(|(name, value)| ((*name).to_owned(), *value)));
    settings.extend(sysctls(six, &[]));
    settings
}

const UP: &str = "link set lo up\nlink set eth0 up\n";

fn neighbour(address: Ipv4Addr, machine: &Machine) -> String {
    format!(
        "neigh replace {address} lladdr {} dev eth0 nud permanent\n",
        link_address(machine)
    )
}

fn nobody() -> String {
    format!(
        "route add {NOBODY}/32 dev eth0\nneigh replace {NOBODY} lladdr 02:00:00:00:00:01 dev eth0 nud permanent\n"
    )
}

pub(super) fn client(director: &Machine) -> String {
    format!("{UP}addr add {CLIENT}/24 dev eth0\n{}", nobody())
        + &neighbour(DIRECTOR_OUTSIDE, director)
        + &format!("route add default via {DIRECTOR_OUTSIDE}\n")
}

pub(super) fn director(client: &Machine, servers: &[Machine]) -> String {
    let mut lines = format!(
        "{UP}addr add {DIRECTOR_OUTSIDE}/24 dev eth0\naddr add {DIRECTOR_INSIDE}/24 dev eth0\naddr add {VIP}/32 dev lo\n{}",
        nobody()
    );
    lines += &neighbour(CLIENT, client);
    for server in servers {
        lines += &neighbour(server.address(), server);
    }
    lines
}

pub(super) fn server(own: &Machine, forwarding: Forwarding, client: &Machine, director: &Machine) -> String {
    let mut lines = format!("{UP}addr add {}/24 dev eth0\n{}", own.address(), nobody());
    lines += &neighbour(DIRECTOR_INSIDE, director);
    if forwarding == Forwarding::Masquerade {
        return lines + &format!("route add default via {DIRECTOR_INSIDE}\n");
    }
    let _ = writeln!(lines, "addr add {VIP}/32 dev lo\nroute add 10.9.0.0/24 dev eth0");
    lines + &neighbour(CLIENT, client)
}
