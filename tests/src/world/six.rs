//! IPv6 beside IPv4: every address of the world has a twin, and every line of the plan, too.
//!
//! `10.9.0.2` is `2001:db8:9::2`, and the VIP `10.0.0.1` is `2001:db8::1`. Pure text.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::plan::{CLIENT, DIRECTOR_INSIDE, DIRECTOR_OUTSIDE, VIP, link_address};
use super::{Forwarding, Machine};

/// The twin of one of the world's addresses.
pub(super) fn twin(address: Ipv4Addr) -> Ipv6Addr {
    let [_, net, _, host] = address.octets();
    Ipv6Addr::new(0x2001, 0xdb8, u16::from(net), 0, 0, 0, 0, u16::from(host))
}

/// No address is ever solicited, announced or tested: all of them are told.
pub(super) const SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv6.conf.eth0.addr_gen_mode", "1"),
    ("net.ipv6.conf.eth0.accept_dad", "0"),
    ("net.ipv6.conf.eth0.accept_ra", "0"),
    ("net.ipv6.conf.eth0.accept_redirects", "0"),
];

/// Without it replies of masqueraded servers do not pass the director.
pub(super) const DIRECTOR_SYSCTLS: &[(&str, &str)] = &[("net.ipv6.conf.all.forwarding", "1")];

fn own(address: Ipv4Addr) -> String {
    format!("addr add {}/64 dev eth0 nodad\n", twin(address))
}

fn vip() -> String {
    format!("addr add {}/128 dev lo nodad\n", twin(VIP))
}

fn neighbour(address: Ipv4Addr, machine: &Machine) -> String {
    format!(
        "neigh replace {} lladdr {} dev eth0 nud permanent\n",
        twin(address),
        link_address(machine)
    )
}

pub(super) fn client(director: &Machine) -> String {
    own(CLIENT)
        + &neighbour(DIRECTOR_OUTSIDE, director)
        + &format!("route add default via {}\n", twin(DIRECTOR_OUTSIDE))
}

pub(super) fn director(client: &Machine, servers: &[Machine]) -> String {
    let mut lines = own(DIRECTOR_OUTSIDE) + &own(DIRECTOR_INSIDE) + &vip();
    lines += &neighbour(CLIENT, client);
    for server in servers {
        lines += &neighbour(server.address(), server);
    }
    lines
}

pub(super) fn server(
    machine: &Machine,
    forwarding: Forwarding,
    client: &Machine,
    director: &Machine,
) -> String {
    let lines = own(machine.address()) + &neighbour(DIRECTOR_INSIDE, director);
    if forwarding == Forwarding::Masquerade {
        return lines + &format!("route add default via {}\n", twin(DIRECTOR_INSIDE));
    }
    let clients = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 0);
    lines + &vip() + &format!("route add {clients}/64 dev eth0\n") + &neighbour(CLIENT, client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_keep_net_and_host_apart() {
        assert_eq!(twin(VIP).to_string(), "2001:db8::1");
        assert_eq!(twin(CLIENT).to_string(), "2001:db8:9::2");
        assert_eq!(twin(DIRECTOR_INSIDE).to_string(), "2001:db8:1::1");
    }
}
