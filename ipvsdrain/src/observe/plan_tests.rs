//! Kernels made of facts: what the plan takes from them, and what it refuses.

use super::*;
use crate::observe::facts::STRUCTS;

/// `struct ip_vs_conn` of 6.1 and 6.12 on x86-64: member, offset, size.
const CONN_6: &[(&str, u32, u32)] = &[
    ("cport", 16, 2),
    ("dport", 18, 2),
    ("vport", 20, 2),
    ("af", 22, 2),
    ("caddr", 24, 16),
    ("vaddr", 40, 16),
    ("daddr", 56, 16),
    ("flags", 72, 4),
    ("protocol", 76, 2),
    ("ipvs", 80, 8),
    ("state", 148, 2),
    ("dest", 184, 8),
    ("in_pkts", 192, 4),
    ("packet_xmit", 200, 8),
];

/// The same of 7.2.
const CONN_7: &[(&str, u32, u32)] = &[
    ("af", 21, 1),
    ("cport", 22, 2),
    ("dest", 48, 8),
    ("flags", 60, 4),
    ("state", 90, 2),
    ("caddr", 96, 16),
    ("vaddr", 112, 16),
    ("daddr", 128, 16),
    ("vport", 148, 2),
    ("protocol", 150, 2),
    ("in_pkts", 248, 4),
    ("ipvs", 264, 8),
    ("packet_xmit", 272, 8),
];

const DEST: &[(&str, u32, u32)] = &[
    ("af", 32, 2),
    ("port", 34, 2),
    ("addr", 36, 16),
    ("protocol", 416, 2),
    ("vport", 418, 2),
    ("vaddr", 420, 16),
    ("vfwmark", 436, 4),
];

fn members(list: &[(&str, u32, u32)]) -> Members {
    list.iter()
        .map(|(name, offset, size)| {
            (
                (*name).to_owned(),
                Member {
                    offset: *offset,
                    size: *size,
                },
            )
        })
        .collect()
}

fn kernel(conn: &[(&str, u32, u32)]) -> Facts {
    let structs = [
        members(conn),
        members(DEST),
        members(&[("net", 8, 8)]),
        members(&[("ns", 120, 24)]),
        members(&[("inum", 16, 4)]),
    ];
    Facts {
        structs: STRUCTS
            .iter()
            .map(|name| (*name).to_owned())
            .zip(structs)
            .collect(),
        functions: [
            (TRACED.to_owned(), 0x1000),
            (XMITS[2].to_owned(), 0x2000),
            (XMITS[8].to_owned(), 0x3000),
        ]
        .into(),
        traced: None,
        network: 4_026_531_840,
    }
}

fn refusal(facts: &Facts) -> String {
    plan(facts).unwrap_err().to_string()
}

#[test]
fn both_generations_of_the_connection_are_read_where_they_keep_it() {
    let plan_6 = plan(&kernel(CONN_6)).unwrap();
    assert_eq!(
        (plan_6.conn.block, plan_6.conn.family_size),
        (
            Block {
                start: 16,
                length: 192
            },
            2
        )
    );
    assert_eq!(plan_6.conn.packet_xmit + plan_6.conn.block.start, 200);
    let plan_7 = plan(&kernel(CONN_7)).unwrap();
    assert_eq!(
        (plan_7.conn.block, plan_7.conn.family_size),
        (
            Block {
                start: 16,
                length: 264
            },
            1
        )
    );
    assert_eq!(plan_7.conn.family + plan_7.conn.block.start, 21);
}

#[test]
fn the_first_look_goes_straight_to_the_servers_address() {
    assert_eq!(plan(&kernel(CONN_6)).unwrap().conn.server_addr, 56);
    assert_eq!(plan(&kernel(CONN_7)).unwrap().conn.server_addr, 128);
}

#[test]
fn the_network_namespace_and_the_functions_are_passed_on() {
    let plan = plan(&kernel(CONN_6)).unwrap();
    assert_eq!(
        (plan.network.net, plan.network.inode, plan.network.ours),
        (8, 136, 4_026_531_840)
    );
    assert_eq!(plan.xmits[..3], [0x2000, 0x3000, 0]);
}

#[test]
fn each_missing_member_is_named() {
    let facts = kernel(CONN_6);
    let not_read = [("ip_vs_conn", "dport")];
    for (structure, known) in &facts.structs {
        for member in known.keys() {
            let mut doctored = facts.clone();
            doctored.structs.get_mut(structure).unwrap().remove(member);
            if not_read.contains(&(structure.as_str(), member.as_str())) {
                plan(&doctored).unwrap();
            } else {
                let said = refusal(&doctored);
                assert!(
                    said.contains(&format!("struct {structure} has no member \"{member}\"")),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn each_missing_struct_is_named() {
    for structure in STRUCTS {
        let mut facts = kernel(CONN_7);
        facts.structs.remove(structure);
        assert!(
            refusal(&facts).contains(&format!("no struct {structure}")),
            "{}",
            refusal(&facts)
        );
    }
}

#[test]
fn a_member_of_another_size_or_off_its_alignment_is_refused() {
    for (size, offset, fault) in [
        (4, 148, "has 4 bytes, not 2"),
        (2, 149, "offset 149 is not aligned"),
    ] {
        let mut facts = kernel(CONN_6);
        let conn = facts.structs.get_mut("ip_vs_conn").unwrap();
        conn.insert("state".to_owned(), Member { offset, size });
        let said = refusal(&facts);
        assert!(
            said.contains("\"state\" of struct ip_vs_conn") && said.contains(fault),
            "{said}"
        );
    }
}

#[test]
fn members_too_far_apart_for_one_read_are_refused() {
    let mut facts = kernel(CONN_6);
    facts.structs.get_mut("ip_vs_conn").unwrap().insert(
        "dest".to_owned(),
        Member {
            offset: 4096,
            size: 8,
        },
    );
    assert!(refusal(&facts).contains("spread over"), "{}", refusal(&facts));
}

#[test]
fn a_kernel_without_the_function_is_refused() {
    let mut facts = kernel(CONN_6);
    facts.functions.remove(TRACED);
    assert!(refusal(&facts).contains("no function ip_vs_conn_put"));
    let mut facts = kernel(CONN_6);
    facts.functions.retain(|name, _| name == TRACED);
    assert!(refusal(&facts).contains("no function ip_vs_dr_xmit"));
}
