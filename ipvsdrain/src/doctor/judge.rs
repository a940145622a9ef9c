//! What the facts mean for drains. Pure: a table test holds for each verdict.

use super::facts::{Daemon, Facts, Folder, IpVs, ServiceFact};
use super::settings;
use super::{Check, Verdict};
use crate::drain::{AtZero, FallbackUse, PersistenceUse};

/// Removals flush what they leave, and late packets are scheduled anew.
const FLUSHES: (u64, u64) = (5, 9);
/// Modules have type information.
const TYPES: (u64, u64) = (5, 11);
/// The kernel's table of connections is read in linear time.
const LINEAR: (u64, u64) = (6, 14);
/// A journal full of drains is far smaller.
const ENOUGH_BYTES: u64 = 64 << 20;
/// 2024-01-01: before that no clock was right while this program existed.
const PLAUSIBLE_UNIX: u64 = 1_704_067_200;
/// Above this Debian's kernels refuse kprobes to all but `CAP_SYS_ADMIN`.
const MOST_PARANOID: i64 = 2;

/// Every check, in the order in which one thing rests on another.
pub fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![
        kernel(&facts.kernel),
        ip_vs(facts.ip_vs),
        table(facts),
        capabilities(facts),
        layout(facts),
        probe(facts),
        paranoid(facts),
        bpf(facts.bpf),
    ];
    checks.extend(settings::judge(facts));
    checks.extend([
        schedulers(facts),
        persistence(facts),
        state(facts),
        daemon(facts),
        controllers(facts),
        clock(facts),
    ]);
    checks
}

/// `6.1.0-50-amd64`: 6 and 1.
fn version(release: &str) -> Option<(u64, u64)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn kernel(release: &str) -> Check {
    let (verdict, advice) = match version(release) {
        None => (Verdict::Warn, "its version cannot be told from that name"),
        Some(version) if version < FLUSHES => (
            Verdict::Warn,
            "before 5.9 a removal does not flush the entries of the server: each drain waits until none is left, 300 s for UDP",
        ),
        Some(version) if version < TYPES => (
            Verdict::Warn,
            "before 5.11 modules have no type information: flows are known from the kernel's table and the arrival of their \
             packets",
        ),
        Some(version) if version < LINEAR => (
            Verdict::Ok,
            "before 6.14 reading the table of connections takes longer the more there are; it is given 250 ms",
        ),
        Some(_) => (Verdict::Ok, ""),
    };
    Check::new("kernel", verdict, release, advice)
}

fn ip_vs(ip_vs: IpVs) -> Check {
    match ip_vs {
        IpVs::Loaded => Check::ok("ip_vs", "loaded"),
        IpVs::NotLoaded => Check::new(
            "ip_vs",
            Verdict::Fail,
            "not loaded",
            "`modprobe ip_vs`, or --fix; the first virtual service loads it as well",
        ),
    }
}

fn table(facts: &Facts) -> Check {
    match (&facts.table, facts.ip_vs) {
        (Ok(services), _) => Check::ok("table", format!("readable: {}", count(services.len(), "service"))),
        (Err(why), IpVs::NotLoaded) => Check::new("table", Verdict::Fail, why, "load ip_vs first"),
        (Err(why), IpVs::Loaded) => Check::new(
            "table",
            Verdict::Fail,
            why,
            "run as root, or with CAP_NET_ADMIN in the initial user namespace: a container's own root has not got it",
        ),
    }
}

fn capabilities(facts: &Facts) -> Check {
    let check = |verdict, found: String, advice| Check::new("capabilities", verdict, found, advice);
    match facts.missing_capabilities.as_deref() {
        None => check(Verdict::Warn, "unknown".to_owned(), "mount /proc"),
        Some([]) => check(Verdict::Ok, "all that a daemon uses".to_owned(), ""),
        Some(["CAP_SYS_ADMIN"]) => check(
            Verdict::Ok,
            "without CAP_SYS_ADMIN".to_owned(),
            "the probe is a kprobe instead of fentry, which costs more per packet; --netns does not work",
        ),
        Some(missing) => check(
            Verdict::Fail,
            format!("without {}", missing.join(", ")),
            "give them to the daemon, or run it as root; this was found for the process that asks, not for the daemon",
        ),
    }
}

fn layout(facts: &Facts) -> Check {
    match &facts.observing.layout {
        Ok(()) => Check::ok("type information", "the layout of ip_vs is known"),
        Err(why) if facts.ip_vs == IpVs::NotLoaded => {
            Check::new("type information", Verdict::Fail, why, "load ip_vs first")
        }
        Err(why) if !facts.observing.lower_rung => Check::new(
            "type information",
            Verdict::Fail,
            why,
            "nothing can be observed, and drains are held",
        ),
        Err(why) => Check::new(
            "type information",
            Verdict::Warn,
            why,
            "without it flows are known from the kernel's table and the arrival of their packets; `ipvsdrain status` names \
             the rung in use",
        ),
    }
}

fn probe(facts: &Facts) -> Check {
    let observing = &facts.observing;
    let check = |verdict, found: &str, advice: &str| Check::new("probe", verdict, found, advice);
    if let Err(why) = &observing.rights {
        return check(
            Verdict::Fail,
            why,
            "without it nothing can be observed, and drains are held",
        );
    }
    match (observing.fentry, observing.kprobes) {
        (true, true) => check(Verdict::Ok, "fentry, or else a kprobe", ""),
        (true, false) => check(
            Verdict::Ok,
            "fentry alone",
            "this kernel has no kprobes to fall back on",
        ),
        (false, true) => check(Verdict::Ok, "a kprobe", "fentry would cost less per packet"),
        (false, false) => check(
            Verdict::Warn,
            "none: no kprobes, and no type information for fentry",
            "flows are known from the kernel's table and the arrival of their packets",
        ),
    }
}

fn paranoid(facts: &Facts) -> Check {
    let name = "perf_event_paranoid";
    let lacks_admin = facts
        .missing_capabilities
        .as_ref()
        .is_some_and(|missing| missing.contains(&"CAP_SYS_ADMIN"));
    match facts.perf_event_paranoid {
        None => Check::new(
            name,
            Verdict::Warn,
            "unknown",
            "this kernel has no perf events, and so no kprobes for us",
        ),
        Some(level) if level > MOST_PARANOID && lacks_admin => Check::new(
            name,
            Verdict::Warn,
            level.to_string(),
            "above 2 Debian's kernels keep kprobes for CAP_SYS_ADMIN. In sysctl.d: kernel.perf_event_paranoid = 2",
        ),
        Some(level) => Check::ok(name, level.to_string()),
    }
}

fn bpf(found: Folder) -> Check {
    let without = "until then every restart of the daemon in a drain begins a new quiet window";
    let (verdict, found, advice) = match found {
        Folder::Writable { .. } => (Verdict::Ok, "mounted and writable", String::new()),
        Folder::ReadOnly => (
            Verdict::Warn,
            "mounted, not writable for this process",
            format!("run the daemon as root, or give it the folder; {without}"),
        ),
        Folder::Missing | Folder::Other => (
            Verdict::Warn,
            "not mounted",
            format!("`mount -t bpf bpf /sys/fs/bpf`, or --fix; {without}"),
        ),
    };
    Check::new("bpf file system", verdict, found, advice)
}

/// A known list of services; nothing where it cannot be read.
fn services(facts: &Facts) -> &[ServiceFact] {
    facts.table.as_deref().unwrap_or_default()
}

fn schedulers(facts: &Facts) -> Check {
    let mut refused = Vec::new();
    let mut advice = Vec::new();
    for service in services(facts) {
        let scheduler = &service.scheduler.name;
        match (service.scheduler.at_zero, service.policy.fallback) {
            (AtZero::Skips | AtZero::Fallback(true), _) | (AtZero::Fallback(false), FallbackUse::Set) => {}
            (AtZero::Fallback(false), FallbackUse::Refuse) => {
                refused.push(format!("{} ({scheduler})", service.name));
                advice.push(format!(
                    "{}: turn on {scheduler}-fallback, or allow it for the time of a drain: fallback = \"set\"",
                    service.name
                ));
            }
            (AtZero::Drops, _) => {
                refused.push(format!("{} ({scheduler})", service.name));
                advice.push(format!("{}: choose another scheduler, such as mh", service.name));
            }
        }
    }
    if refused.is_empty() {
        return Check::ok("schedulers", "none drops new flows at weight 0");
    }
    Check::new(
        "schedulers",
        Verdict::Warn,
        format!(
            "drops new flows at weight 0, drains are refused: {}",
            refused.join(", ")
        ),
        advice.join("; "),
    )
}

fn persistence(facts: &Facts) -> Check {
    let is_on = facts
        .settings
        .get("expire_quiescent_template")
        .is_some_and(|value| value != "0");
    let held: Vec<&str> = services(facts)
        .iter()
        .filter(|service| {
            service.persistent && !is_on && service.policy.persistence == PersistenceUse::Report
        })
        .map(|service| service.name.as_str())
        .collect();
    if held.is_empty() {
        return Check::ok("persistence", "no service keeps its clients at weight 0");
    }
    Check::new(
        "persistence",
        Verdict::Warn,
        format!("keeps its clients at weight 0: {}", held.join(", ")),
        "a busy client keeps a drain from its end: set a deadline, or persistence = \"set\", which moves it at its next new flow",
    )
}

fn state(facts: &Facts) -> Check {
    let place = facts.state_path.display();
    let check = |verdict, found: String, advice: &str| Check::new("state folder", verdict, found, advice);
    match facts.state {
        Folder::Missing => check(
            Verdict::Fail,
            format!("{place} is missing"),
            "--fix makes it; a daemon that may make it does so at its start",
        ),
        Folder::Other => check(
            Verdict::Fail,
            format!("{place} is no folder"),
            "move away what is there",
        ),
        Folder::ReadOnly => check(
            Verdict::Fail,
            format!("{place} is not writable for this process"),
            "without a journal nothing is begun, changed or removed: run as root, or give the folder to the daemon's user",
        ),
        Folder::Writable { free_bytes, .. } if free_bytes < ENOUGH_BYTES => check(
            Verdict::Fail,
            format!("{place} has {} MiB left", free_bytes >> 20),
            "make room: with a full disk nothing is begun, changed or removed",
        ),
        Folder::Writable { open: true, .. } => check(
            Verdict::Warn,
            format!("{place} may be written to by others than its owner"),
            "chmod go-w: whoever changes the journal changes what a restore gives back",
        ),
        Folder::Writable { .. } => check(Verdict::Ok, format!("{place} is writable"), ""),
    }
}

fn daemon(facts: &Facts) -> Check {
    match &facts.daemon {
        Daemon::Answers { journal_fault: None } => Check::ok("daemon", "answers, and its journal works"),
        Daemon::Answers {
            journal_fault: Some(fault),
        } => Check::new(
            "daemon",
            Verdict::Fail,
            "answers, and its journal does not work",
            fault.as_str(),
        ),
        Daemon::Silent(why) => Check::new("daemon", Verdict::Warn, why, "start it: `ipvsdrain daemon`"),
    }
}

fn controllers(facts: &Facts) -> Check {
    if facts.controllers.is_empty() {
        return Check::ok("other controllers", "none is running");
    }
    let found = format!("{} writes the same table", facts.controllers.join(", "));
    if facts.shadow {
        return Check::new(
            "other controllers",
            Verdict::Ok,
            found,
            "shadow mode: nothing is changed beside it",
        );
    }
    let advice: Vec<String> = facts.controllers.iter().map(|name| coexistence(name)).collect();
    Check::new("other controllers", Verdict::Warn, found, advice.join("; "))
}

/// How to live beside it; `docs/operations.md` says more.
fn coexistence(controller: &str) -> String {
    match controller {
        "keepalived" => "keepalived: inhibit_on_failure makes it set weight 0 instead of removing; adopt those, with then = \
                         \"keep\". A reload of it puts back what its configuration names"
            .to_owned(),
        "ldirectord" => "ldirectord: quiescent = yes makes it set weight 0; adopt those, with then = \"keep\"".to_owned(),
        "kube-proxy" | "kube-router" => {
            format!("{controller}: it puts back within seconds what it did not remove itself: use shadow = true")
        }
        other => format!("{other}: try shadow = true first, and leave other_hands at \"yield\""),
    }
}

fn clock(facts: &Facts) -> Check {
    match &facts.boot_id {
        Err(why) => Check::new(
            "clock",
            Verdict::Fail,
            format!("no boot id: {why}"),
            "mount /proc: without it times before and after a reboot cannot be told apart",
        ),
        Ok(_) if facts.now_unix < PLAUSIBLE_UNIX => Check::new(
            "clock",
            Verdict::Warn,
            format!("{} seconds since 1970", facts.now_unix),
            "set the clock: the 24 hours of the capacity floor and the history go by it",
        ),
        Ok(_) => Check::ok("clock", "plausible, and the boot has an id"),
    }
}

pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
