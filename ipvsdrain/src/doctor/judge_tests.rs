//! Both sides of each verdict.

use std::path::PathBuf;

use super::facts::{Daemon, Facts, Folder, IpVs, Observing, ServiceFact};
use super::{Check, Verdict, judge};
use crate::drain::{AtZero, FallbackUse, PersistenceUse, Policy, Scheduler, SysctlUse};

/// A host on which nothing is wrong.
pub(crate) fn healthy() -> Facts {
    let settings = [
        ("expire_nodest_conn", "0"),
        ("expire_quiescent_template", "0"),
        ("conn_reuse_mode", "1"),
        ("run_estimation", "1"),
        ("est_cpulist", "0-3"),
        ("conntrack", "0"),
        ("sloppy_tcp", "0"),
        ("sloppy_sctp", "0"),
        ("am_droprate", "10"),
    ];
    Facts {
        kernel: "6.18.5-1-amd64".to_owned(),
        ip_vs: IpVs::Loaded,
        table: Ok(vec![service("rr", AtZero::Skips)]),
        observing: Observing {
            rights: Ok(()),
            layout: Ok(()),
            lower_rung: false,
            fentry: true,
            kprobes: true,
        },
        missing_capabilities: Some(Vec::new()),
        bpf: writable(1 << 40),
        perf_event_paranoid: Some(2),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        state_path: PathBuf::from("/var/lib/ipvsdrain"),
        state: writable(1 << 40),
        daemon: Daemon::Answers { journal_fault: None },
        controllers: Vec::new(),
        boot_id: Ok("b".to_owned()),
        now_unix: 1_800_000_000,
        policy: Policy::default(),
        shadow: false,
    }
}

fn writable(free_bytes: u64) -> Folder {
    Folder::Writable {
        free_bytes,
        open: false,
    }
}

fn service(scheduler: &str, at_zero: AtZero) -> ServiceFact {
    ServiceFact {
        name: "udp:10.0.0.1:53".to_owned(),
        scheduler: Scheduler {
            name: scheduler.to_owned(),
            at_zero,
        },
        persistent: false,
        policy: Policy::default(),
    }
}

fn check(name: &str, change: impl FnOnce(&mut Facts)) -> Check {
    let mut facts = healthy();
    change(&mut facts);
    let found = judge(&facts).into_iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("there is no check `{name}`"))
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Facts) {
    move |facts| drop(facts.settings.insert(name.to_owned(), value.to_owned()))
}

fn with_service(changed: ServiceFact) -> impl FnOnce(&mut Facts) {
    move |facts| facts.table = Ok(vec![changed])
}

#[test]
fn on_a_healthy_host_everything_is_ok() {
    let wrong: Vec<_> = judge(&healthy())
        .into_iter()
        .filter(|check| check.verdict != Verdict::Ok)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

type Change = Box<dyn FnOnce(&mut Facts)>;
/// A check, what is different from the healthy host, the verdict, and a word of what is said.
type Row = (&'static str, Change, Verdict, &'static str);

fn boxed(change: fn(&mut Facts)) -> Change {
    Box::new(change)
}

/// The kernel and its table.
fn kernel_rows() -> Vec<Row> {
    use Verdict::{Fail, Ok as Fine, Warn};
    vec![
        ("kernel", boxed(|f| f.kernel = "5.8.0-1".into()), Warn, "flush"),
        (
            "kernel",
            boxed(|f| f.kernel = "5.9.0-1".into()),
            Warn,
            "type information",
        ),
        ("kernel", boxed(|f| f.kernel = "5.11.0".into()), Fine, "250 ms"),
        ("kernel", boxed(|f| f.kernel = "6.13.9".into()), Fine, "250 ms"),
        ("kernel", boxed(|f| f.kernel = "6.14".into()), Fine, ""),
        (
            "kernel",
            boxed(|f| f.kernel = "strange".into()),
            Warn,
            "cannot be told",
        ),
        ("ip_vs", boxed(|f| f.ip_vs = IpVs::NotLoaded), Fail, "modprobe"),
        (
            "table",
            boxed(|f| f.table = Err("EPERM".into())),
            Fail,
            "CAP_NET_ADMIN",
        ),
    ]
}

/// What may be done and observed.
fn rights_rows() -> Vec<Row> {
    use Verdict::{Fail, Ok as Fine, Warn};
    vec![
        (
            "capabilities",
            boxed(|f| f.missing_capabilities = Some(vec!["CAP_SYS_ADMIN"])),
            Fine,
            "kprobe",
        ),
        (
            "capabilities",
            boxed(|f| f.missing_capabilities = Some(vec!["CAP_BPF"])),
            Fail,
            "CAP_BPF",
        ),
        (
            "capabilities",
            boxed(|f| f.missing_capabilities = None),
            Warn,
            "/proc",
        ),
        (
            "type information",
            boxed(|f| (f.observing.layout, f.observing.lower_rung) = (Err("none".into()), true)),
            Warn,
            "rung",
        ),
        (
            "type information",
            boxed(|f| f.observing.layout = Err("addresses are hidden".into())),
            Fail,
            "drains are held",
        ),
        (
            "probe",
            boxed(|f| f.observing.rights = Err("EPERM".into())),
            Fail,
            "EPERM",
        ),
        ("probe", boxed(|f| f.observing.fentry = false), Fine, "a kprobe"),
        (
            "probe",
            boxed(|f| f.observing.kprobes = false),
            Fine,
            "fentry alone",
        ),
        (
            "probe",
            boxed(|f| (f.observing.fentry, f.observing.kprobes) = (false, false)),
            Warn,
            "none",
        ),
        (
            "perf_event_paranoid",
            boxed(|f| f.perf_event_paranoid = Some(3)),
            Fine,
            "3",
        ),
        (
            "perf_event_paranoid",
            boxed(|f| {
                f.perf_event_paranoid = Some(3);
                f.missing_capabilities = Some(vec!["CAP_SYS_ADMIN"]);
            }),
            Warn,
            "kernel.perf_event_paranoid = 2",
        ),
        (
            "perf_event_paranoid",
            boxed(|f| f.perf_event_paranoid = None),
            Warn,
            "unknown",
        ),
    ]
}

/// What the daemon lives with.
fn host_rows() -> Vec<Row> {
    use Verdict::{Fail, Ok as Fine, Warn};
    vec![
        (
            "bpf file system",
            boxed(|f| f.bpf = Folder::Missing),
            Warn,
            "mount -t bpf",
        ),
        (
            "bpf file system",
            boxed(|f| f.bpf = Folder::Other),
            Warn,
            "mount -t bpf",
        ),
        (
            "bpf file system",
            boxed(|f| f.bpf = Folder::ReadOnly),
            Warn,
            "not writable",
        ),
        (
            "state folder",
            boxed(|f| f.state = Folder::Missing),
            Fail,
            "missing",
        ),
        (
            "state folder",
            boxed(|f| f.state = Folder::Other),
            Fail,
            "no folder",
        ),
        (
            "state folder",
            boxed(|f| f.state = Folder::ReadOnly),
            Fail,
            "not writable",
        ),
        (
            "state folder",
            boxed(|f| f.state = writable((64 << 20) - 1)),
            Fail,
            "63 MiB",
        ),
        (
            "state folder",
            boxed(|f| f.state = writable(64 << 20)),
            Fine,
            "writable",
        ),
        (
            "state folder",
            boxed(|f| {
                f.state = Folder::Writable {
                    free_bytes: 1 << 40,
                    open: true,
                }
            }),
            Warn,
            "go-w",
        ),
        (
            "daemon",
            boxed(|f| f.daemon = Daemon::Silent("gone".into())),
            Warn,
            "start it",
        ),
        (
            "daemon",
            boxed(|f| {
                f.daemon = Daemon::Answers {
                    journal_fault: Some("full".into()),
                }
            }),
            Fail,
            "full",
        ),
    ]
}

/// Who else is there, and what time it is.
fn other_rows() -> Vec<Row> {
    use Verdict::{Fail, Ok as Fine, Warn};
    vec![
        (
            "other controllers",
            boxed(|f| f.controllers = vec!["keepalived".into()]),
            Warn,
            "inhibit_on_failure",
        ),
        (
            "other controllers",
            boxed(|f| f.controllers = vec!["kube-proxy".into()]),
            Warn,
            "shadow = true",
        ),
        (
            "other controllers",
            boxed(|f| (f.controllers, f.shadow) = (vec!["kube-proxy".into()], true)),
            Fine,
            "nothing is changed",
        ),
        (
            "clock",
            boxed(|f| f.boot_id = Err("none".into())),
            Fail,
            "boot id",
        ),
        (
            "clock",
            boxed(|f| f.now_unix = 1_704_067_199),
            Warn,
            "set the clock",
        ),
        ("clock", boxed(|f| f.now_unix = 1_704_067_200), Fine, "plausible"),
    ]
}

#[test]
fn each_verdict_has_its_cause_and_its_remedy() {
    for (name, change, verdict, word) in kernel_rows()
        .into_iter()
        .chain(rights_rows())
        .chain(host_rows())
        .chain(other_rows())
    {
        let found = check(name, change);
        assert_eq!(found.verdict, verdict, "{found:?}");
        let said = format!("{} {}", found.found, found.advice);
        assert!(said.contains(word), "`{word}` is not in: {said}");
        assert!(
            verdict == Verdict::Ok || !found.advice.is_empty(),
            "nothing is said of what to do: {found:?}"
        );
    }
}

#[test]
fn each_setting_says_what_it_means_for_drains() {
    for (name, value, verdict, word) in [
        ("expire_nodest_conn", "1", Verdict::Ok, "scheduled anew"),
        ("expire_quiescent_template", "1", Verdict::Ok, "next new flow"),
        ("conn_reuse_mode", "0", Verdict::Warn, "conn_reuse_mode = 1"),
        ("conn_reuse_mode", "3", Verdict::Ok, ""),
        ("run_estimation", "0", Verdict::Fail, "run_estimation = 1"),
        ("conntrack", "1", Verdict::Warn, "conntrack"),
        ("sloppy_tcp", "1", Verdict::Warn, "mid-connection"),
        ("sloppy_sctp", "1", Verdict::Warn, "mid-connection"),
    ] {
        let found = check(&format!("net.ipv4.vs.{name}"), set(name, value));
        assert_eq!(
            (found.verdict, found.found.as_str()),
            (verdict, value),
            "{found:?}"
        );
        assert!(found.advice.contains(word), "{found:?}");
    }
    let nowhere = check("net.ipv4.vs.est_cpulist", set("est_cpulist", ""));
    assert_eq!(
        (nowhere.verdict, nowhere.found.as_str()),
        (Verdict::Fail, "empty")
    );
    let forbidden = check("net.ipv4.vs.expire_nodest_conn", |facts| {
        facts.policy.sysctl = SysctlUse::Never;
    });
    assert_eq!(forbidden.verdict, Verdict::Warn);
    assert!(
        forbidden.advice.contains("expire_nodest_conn = 1"),
        "{forbidden:?}"
    );
}

#[test]
fn what_a_kernel_does_not_have_is_not_judged() {
    let mut facts = healthy();
    facts.settings.remove("run_estimation");
    assert!(
        judge(&facts)
            .iter()
            .all(|check| !check.name.ends_with("run_estimation"))
    );
    facts.ip_vs = IpVs::NotLoaded;
    assert!(
        judge(&facts)
            .iter()
            .any(|check| check.found == "unknown while ip_vs is not loaded")
    );
}

#[test]
fn a_scheduler_that_drops_is_told_unless_the_configuration_deals_with_it() {
    let verdict = |changed| check("schedulers", with_service(changed));
    assert_eq!(
        verdict(service("sh", AtZero::Fallback(true))).verdict,
        Verdict::Ok
    );
    let refused = verdict(service("sh", AtZero::Fallback(false)));
    assert_eq!(refused.verdict, Verdict::Warn);
    assert!(refused.advice.contains("sh-fallback"), "{refused:?}");
    let allowed = ServiceFact {
        policy: Policy {
            fallback: FallbackUse::Set,
            ..Policy::default()
        },
        ..service("mh", AtZero::Fallback(false))
    };
    assert_eq!(verdict(allowed).verdict, Verdict::Ok);
    let never = ServiceFact {
        policy: Policy {
            fallback: FallbackUse::Set,
            ..Policy::default()
        },
        ..service("dh", AtZero::Drops)
    };
    assert!(verdict(never).advice.contains("another scheduler"));
}

#[test]
fn persistence_is_told_unless_it_is_dealt_with() {
    let persistent = || ServiceFact {
        persistent: true,
        ..service("rr", AtZero::Skips)
    };
    assert_eq!(
        check("persistence", with_service(persistent())).verdict,
        Verdict::Warn
    );
    let set_by_us = ServiceFact {
        policy: Policy {
            persistence: PersistenceUse::Set,
            ..Policy::default()
        },
        ..persistent()
    };
    assert_eq!(check("persistence", with_service(set_by_us)).verdict, Verdict::Ok);
    let set_for_good = check("persistence", |facts| {
        with_service(persistent())(facts);
        set("expire_quiescent_template", "1")(facts);
    });
    assert_eq!(set_for_good.verdict, Verdict::Ok);
}
