//! `observer-refuses`: where something is missing, the observer says what, and never reports silence instead.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};
use ipvsdrain::observe::{ObserveError, Observer, QuietWindows, Rung, Sources};
use nix::libc;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-refuses",
    about: "a renamed field, missing rights, unknown functions and a full flow table are never taken for silence",
    programs: &[],
    observes: false,
    run,
};

const UDP: u16 = 5300;
/// Debian's 5.10 has none: there the observer can only refuse.
const MODULE_BTF: &str = "/sys/kernel/btf/ip_vs";
const NOBODY: libc::uid_t = 65_534;
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

fn run(_stage: &mut Stage) -> Result<Value> {
    if !Path::new(MODULE_BTF).exists() {
        let said = refusal(
            Observer::prepare(&probes_or_nothing()),
            "CONFIG_DEBUG_INFO_BTF_MODULES",
        )?;
        return Ok(json!({"said": [said]}));
    }
    let world = World::build(Forwarding::DirectRoute, 1)?;
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(Protocol::Udp, UDP, "rr", Forwarding::DirectRoute, addresses)?;
    let server = RealServer((world.server(Server(1)).address(), UDP).into());

    let said = [
        renamed_field()?,
        hidden_addresses()?,
        no_rights(&service, &server)?,
    ];
    let another = RealServer((Ipv4Addr::new(10, 1, 0, 99), UDP).into());
    let mistaken = [
        unknown_functions(&world, &service, &server)?,
        unknown_functions(&world, &service, &another)?,
    ];
    let untracked = full_table(&world, &service, &server)?;
    let attached = dearer_hook(&service, &server)?;
    Ok(json!({"said": said, "attached": attached, "mistaken": mistaken, "untracked": untracked}))
}

/// No lower rung than the probe.
fn probes_or_nothing() -> Sources {
    Sources {
        lowest: Some(Rung::Probes),
        ..Sources::default()
    }
}

fn refusal<T>(result: Result<T, ObserveError>, expected: &str) -> Result<String> {
    let said = result.err().context("it was not refused")?.to_string();
    ensure!(
        said.contains(expected),
        "it does not say \"{expected}\" but: {said}"
    );
    Ok(said)
}

/// Type information in which one field has another name.
fn renamed_field() -> Result<String> {
    let module = Path::new("/sys/kernel/btf/ip_vs");
    let mut types = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let name = b"\0in_pkts\0";
    let at = types
        .windows(name.len())
        .position(|window| window == name)
        .context("no field in_pkts")?;
    types[at + 1] = b'z';
    let doctored = Path::new("/tmp/doctored.btf");
    fs::write(doctored, types).context("cannot write the doctored types")?;
    let sources = Sources {
        module_btf: Some(doctored.to_owned()),
        ..probes_or_nothing()
    };
    refusal(
        Observer::prepare(&sources),
        "struct ip_vs_conn has no member \"in_pkts\"",
    )
}

/// Runs `work` on a thread without any right. The system call changes the calling thread alone.
fn without_rights<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: three numbers, no memory.
            let result = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            assert_eq!(result, 0, "rights can be given up");
            work()
        });
        thread.join().expect("the thread without rights does not panic")
    })
}

fn hidden_addresses() -> Result<String> {
    refusal(
        without_rights(|| Observer::prepare(&Sources::default())),
        "kernel.kptr_restrict",
    )
}

fn no_rights(service: &VirtualService, server: &RealServer) -> Result<String> {
    let mut observer = Observer::prepare(&Sources::default())?;
    let said = refusal(
        without_rights(|| observer.watch(service, server)),
        "CAP_BPF, CAP_PERFMON",
    )?;
    ensure!(
        observer.attached().is_empty() && observer.watched().next().is_none(),
        "{observer:?}"
    );
    Ok(said)
}

/// Fentry takes a right that the kprobe does without: then the kprobe counts, and it is said why.
fn dearer_hook(service: &VirtualService, server: &RealServer) -> Result<String> {
    // Debian's own level 3 asks for the same right of a kprobe.
    let before = fs::read(PARANOID).with_context(|| format!("cannot read {PARANOID}"))?;
    fs::write(PARANOID, "2").with_context(|| format!("cannot write {PARANOID}"))?;
    let attached = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut rights = capabilities(None).context("cannot read the thread's rights")?;
            rights.effective.remove(CapabilitySet::SYS_ADMIN);
            // The system call changes the calling thread alone.
            set_capabilities(None, rights).context("cannot give up CAP_SYS_ADMIN")?;
            let mut observer = Observer::prepare(&Sources::default())?;
            observer.watch(service, server)?;
            anyhow::Ok(observer.attached().join(", "))
        });
        thread
            .join()
            .expect("the thread without the right does not panic")
    })?;
    fs::write(PARANOID, before).with_context(|| format!("cannot write {PARANOID}"))?;
    ensure!(
        attached.starts_with("kprobe:ip_vs_conn_put (fentry refused: ") && attached.contains("CAP_SYS_ADMIN"),
        "{attached}"
    );
    Ok(attached)
}

/// Where `packet_xmit` holds no function of IPVS the offsets must be wrong, and the reading says so: for packets of
/// the watched server as for those of another.
fn unknown_functions(world: &World, service: &VirtualService, watched: &RealServer) -> Result<u64> {
    let folder = TempDir::new().context("cannot make a folder for the symbol table")?;
    let kallsyms = folder.path().join("kallsyms");
    fs::write(&kallsyms, displaced_functions()?)?;
    let sources = Sources {
        kallsyms: Some(kallsyms),
        ..Sources::default()
    };
    let mut observer = world
        .director()
        .machine()
        .within(|| Observer::prepare(&sources))?;
    observer.watch(service, watched)?;
    for _ in 0..5 {
        send_from_new_port(world)?;
    }
    let reading = observer.read(service, watched, &quiet(), clock::now())?;
    ensure!(
        (reading.mistaken, reading.live_udp, reading.forwarded) == (5, 0, 0),
        "no packet can be made sense of: {reading:?}"
    );
    Ok(reading.mistaken)
}

/// The lines of the symbol table about IPVS, each transmit function some bytes away from where it is.
fn displaced_functions() -> Result<String> {
    let mut lines = String::new();
    for line in fs::read_to_string("/proc/kallsyms")?.lines() {
        let Some((address, rest)) = line.split_once(' ') else {
            continue;
        };
        let mut address = u64::from_str_radix(address, 16)?;
        if rest.contains(" ip_vs_") && rest.contains("_xmit") {
            address += 4;
        }
        if rest.contains(" ip_vs_") {
            writeln!(lines, "{address:016x} {rest}")?;
        }
    }
    Ok(lines)
}

fn send_from_new_port(world: &World) -> Result<()> {
    let client = world
        .client()
        .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    client.send_to(b"x", (VIP, UDP))?;
    Ok(())
}

const WINDOW: Duration = Duration::from_secs(10);

fn quiet() -> QuietWindows {
    QuietWindows {
        udp: WINDOW,
        tcp: WINDOW,
        closing: WINDOW,
    }
}

/// Five flows and room for three: two are reported as untracked. What is swept out leaves room again.
fn full_table(world: &World, service: &VirtualService, server: &RealServer) -> Result<u64> {
    let sources = Sources {
        flow_capacity: Some(3),
        ..Sources::default()
    };
    let mut observer = world
        .director()
        .machine()
        .within(|| Observer::prepare(&sources))?;
    observer.watch(service, server)?;
    for _ in 0..5 {
        send_from_new_port(world)?;
    }
    let full = observer.read(service, server, &quiet(), clock::now())?;
    ensure!(
        (full.live_udp, full.untracked) == (3, 2),
        "three of five have room: {full:?}"
    );
    observer.relay_messages();

    clock::pass(QuietWindows::LONGEST + WINDOW);
    observer.sweep(clock::now())?;
    send_from_new_port(world)?;
    let swept = observer.read(service, server, &quiet(), clock::now())?;
    ensure!(
        (swept.live_udp, swept.untracked) == (1, 2),
        "there is room again: {swept:?}"
    );
    Ok(full.untracked)
}
