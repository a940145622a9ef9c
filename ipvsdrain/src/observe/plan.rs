//! Facts in, a plan out, or a refusal that names exactly what is missing. Pure: no file, no system call.

use ipvsdrain_ebpf::layout::{
    BLOCK, Block, ConnFields, DestFields, Kernel, NetworkFields, XMITS as XMIT_SLOTS,
};

use super::error::ObserveError;
use super::facts::{Facts, Member, Members, TRACED, XMITS};

/// Decides where the programs read, on the kernel that `facts` describe.
pub(super) fn plan(facts: &Facts) -> Result<Kernel, ObserveError> {
    if !facts.functions.contains_key(TRACED) {
        return Err(ObserveError::FunctionMissing { function: TRACED });
    }
    let mut xmits = [0; XMIT_SLOTS];
    let known = XMITS.iter().filter_map(|name| facts.functions.get(*name));
    for (slot, address) in xmits.iter_mut().zip(known) {
        *slot = *address;
    }
    if xmits[0] == 0 {
        return Err(ObserveError::FunctionMissing {
            function: "ip_vs_dr_xmit",
        });
    }
    Ok(Kernel {
        conn: conn(facts)?,
        dest: dest(facts)?,
        network: network(facts)?,
        arrival_is_life: 0,
        padding: 0,
        xmits,
    })
}

fn conn(facts: &Facts) -> Result<ConnFields, ObserveError> {
    let read = Struct::of(facts, "ip_vs_conn")?;
    let [family, protocol, state] = [
        read.sized("af", &[1, 2])?,
        read.sized("protocol", &[2])?,
        read.sized("state", &[2])?,
    ];
    let [client_port, virtual_port] = [read.sized("cport", &[2])?, read.sized("vport", &[2])?];
    let [client_addr, virtual_addr, server_addr] = [
        read.sized("caddr", &[16])?,
        read.sized("vaddr", &[16])?,
        read.sized("daddr", &[16])?,
    ];
    let [flags, in_pkts] = [read.sized("flags", &[4])?, read.sized("in_pkts", &[4])?];
    let [dest, packet_xmit, ipvs] = [
        read.sized("dest", &[8])?,
        read.sized("packet_xmit", &[8])?,
        read.sized("ipvs", &[8])?,
    ];
    let block = read.block(&[
        family,
        protocol,
        state,
        client_port,
        virtual_port,
        client_addr,
        virtual_addr,
        flags,
        in_pkts,
        dest,
        packet_xmit,
    ])?;
    let at = |member: Member| member.offset - block.start;
    Ok(ConnFields {
        block,
        server_addr: server_addr.offset,
        family: at(family),
        family_size: family.size,
        client_port: at(client_port),
        virtual_port: at(virtual_port),
        client_addr: at(client_addr),
        virtual_addr: at(virtual_addr),
        flags: at(flags),
        protocol: at(protocol),
        state: at(state),
        in_pkts: at(in_pkts),
        dest: at(dest),
        packet_xmit: at(packet_xmit),
        ipvs: ipvs.offset,
    })
}

fn dest(facts: &Facts) -> Result<DestFields, ObserveError> {
    let read = Struct::of(facts, "ip_vs_dest")?;
    // Two blocks, because several hundred bytes of statistics lie between them.
    let [family, port, addr] = [
        read.sized("af", &[2])?,
        read.sized("port", &[2])?,
        read.sized("addr", &[16])?,
    ];
    let server = read.block(&[family, port, addr])?;
    let [protocol, virtual_port] = [read.sized("protocol", &[2])?, read.sized("vport", &[2])?];
    let [virtual_addr, fwmark] = [read.sized("vaddr", &[16])?, read.sized("vfwmark", &[4])?];
    let service = read.block(&[protocol, virtual_port, virtual_addr, fwmark])?;
    Ok(DestFields {
        server,
        family: family.offset - server.start,
        port: port.offset - server.start,
        addr: addr.offset - server.start,
        service,
        protocol: protocol.offset - service.start,
        virtual_port: virtual_port.offset - service.start,
        virtual_addr: virtual_addr.offset - service.start,
        fwmark: fwmark.offset - service.start,
        padding: 0,
    })
}

fn network(facts: &Facts) -> Result<NetworkFields, ObserveError> {
    let net = Struct::of(facts, "netns_ipvs")?.sized("net", &[8])?;
    let common = Struct::of(facts, "net")?.member("ns")?;
    let inode = Struct::of(facts, "ns_common")?.sized("inum", &[4])?;
    Ok(NetworkFields {
        net: net.offset,
        inode: common.offset + inode.offset,
        ours: facts.network,
        padding: 0,
    })
}

/// One struct of the kernel, asked for its members by name.
struct Struct<'a> {
    name: &'static str,
    members: &'a Members,
}

impl<'a> Struct<'a> {
    fn of(facts: &'a Facts, name: &'static str) -> Result<Self, ObserveError> {
        let members = facts
            .structs
            .get(name)
            .ok_or(ObserveError::StructMissing { structure: name })?;
        Ok(Self { name, members })
    }

    fn member(&self, member: &'static str) -> Result<Member, ObserveError> {
        let found = self.members.get(member).copied();
        found.ok_or(ObserveError::FieldMissing {
            structure: self.name,
            member,
        })
    }

    /// A member of one of these sizes that lies where a field of its size is read in one go.
    fn sized(&self, member: &'static str, sizes: &[u32]) -> Result<Member, ObserveError> {
        let found = self.member(member)?;
        let strange = |fault| ObserveError::FieldStrange {
            structure: self.name,
            member,
            fault,
        };
        if !sizes.contains(&found.size) {
            return Err(strange(format!("it has {} bytes, not {}", found.size, sizes[0])));
        }
        // Addresses are read as words of 4 bytes.
        let alignment = if found.size == 16 { 4 } else { found.size };
        if found.offset % alignment != 0 {
            return Err(strange(format!(
                "offset {} is not aligned for {} bytes",
                found.offset, found.size
            )));
        }
        Ok(found)
    }

    /// The smallest block, starting at a multiple of 8, that covers all `members`.
    fn block(&self, members: &[Member]) -> Result<Block, ObserveError> {
        let start = members.iter().map(|member| member.offset).min().unwrap_or(0) & !7;
        let end = members
            .iter()
            .map(|member| member.offset + member.size)
            .max()
            .unwrap_or(0);
        let length = end - start;
        if length as usize >= BLOCK {
            return Err(ObserveError::FieldStrange {
                structure: self.name,
                member: "(all)",
                fault: format!("the members in use spread over {length} bytes, more than {BLOCK}"),
            });
        }
        Ok(Block { start, length })
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
