//! The sysctls below `net.ipv4.vs`, and what each value means for drains. Pure.
//!
//! None of them is ever set from here: a line for sysctl.d is what there is to say.

use super::facts::{Facts, IpVs};
use super::{Check, Verdict};
use crate::drain::SysctlUse;

const PREFIX: &str = "net.ipv4.vs";

/// What a value means.
type Judge = fn(&str, &Facts) -> (Verdict, String);

/// One check per setting.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    if facts.ip_vs == IpVs::NotLoaded {
        return vec![Check::new(
            PREFIX,
            Verdict::Warn,
            "unknown while ip_vs is not loaded",
            "load ip_vs first",
        )];
    }
    let known: [(&str, Judge); 8] = [
        ("expire_nodest_conn", expire_nodest_conn),
        ("expire_quiescent_template", expire_quiescent_template),
        ("conn_reuse_mode", conn_reuse_mode),
        ("run_estimation", run_estimation),
        ("est_cpulist", est_cpulist),
        ("conntrack", conntrack),
        ("sloppy_tcp", sloppy),
        ("sloppy_sctp", sloppy),
    ];
    let present = known.into_iter().filter_map(|(name, judge)| {
        let value = facts.settings.get(name)?;
        let (verdict, advice) = judge(value, facts);
        let found = if value.is_empty() { "empty" } else { value };
        Some(Check::new(&format!("{PREFIX}.{name}"), verdict, found, advice))
    });
    present.collect()
}

fn line(name: &str, value: &str) -> String {
    format!("In sysctl.d: {PREFIX}.{name} = {value}")
}

fn expire_nodest_conn(value: &str, facts: &Facts) -> (Verdict, String) {
    match (value, facts.policy.sysctl) {
        ("0", SysctlUse::Scoped) => (
            Verdict::Ok,
            "late packets of a removed server would be dropped: it is turned on for the seconds of each removal, and put back"
                .to_owned(),
        ),
        ("0", SysctlUse::Never) => (
            Verdict::Warn,
            format!(
                "the configuration forbids to turn it on: a server is removed only once it has no entry left, 300 s for UDP. {}",
                line("expire_nodest_conn", "1")
            ),
        ),
        _ => (
            Verdict::Ok,
            "late packets of a removed server are scheduled anew".to_owned(),
        ),
    }
}

fn expire_quiescent_template(value: &str, _: &Facts) -> (Verdict, String) {
    let means = match value {
        "0" => "clients of a persistent service stay on a server at weight 0, unless persistence = \"set\"",
        _ => "clients of a persistent service leave a server at weight 0 with their next new flow",
    };
    (Verdict::Ok, means.to_owned())
}

fn conn_reuse_mode(value: &str, _: &Facts) -> (Verdict, String) {
    match value {
        "0" => (
            Verdict::Warn,
            format!(
                "a client that uses its port again stays on the server it had, at weight 0 too: such drains leak. {}",
                line("conn_reuse_mode", "1")
            ),
        ),
        _ => (Verdict::Ok, String::new()),
    }
}

fn run_estimation(value: &str, _: &Facts) -> (Verdict, String) {
    match value {
        "0" => (
            Verdict::Fail,
            format!(
                "the kernel's packet counters stand still: the second witness is missing, and every drain is held. {}",
                line("run_estimation", "1")
            ),
        ),
        _ => (Verdict::Ok, String::new()),
    }
}

fn est_cpulist(value: &str, _: &Facts) -> (Verdict, String) {
    match value {
        "" => (
            Verdict::Fail,
            format!(
                "without a CPU to count on the kernel's packet counters stand still, and every drain is held. {}",
                line("est_cpulist", "0")
            ),
        ),
        _ => (Verdict::Ok, String::new()),
    }
}

fn conntrack(value: &str, _: &Facts) -> (Verdict, String) {
    match value {
        "0" => (Verdict::Ok, String::new()),
        _ => (
            Verdict::Warn,
            "at high rates a removal can cost a few datagrams of live flows, whose old conntrack state does not fit any more \
             (measured: 1 to 5 at 500 a second); drains that wait for silence are not concerned"
                .to_owned(),
        ),
    }
}

fn sloppy(value: &str, _: &Facts) -> (Verdict, String) {
    match value {
        "0" => (Verdict::Ok, String::new()),
        _ => (
            Verdict::Warn,
            "packets in mid-connection make new entries: a connection that is cut goes to another server, which resets it"
                .to_owned(),
        ),
    }
}
