//! Does the ground hold? The scenarios that everything else in the lab stands on.

use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kernel-has-ip-vs",
        about: "ip_vs loads, and takes and shows a service with one real server",
        programs: &[],
        observes: false,
        run: kernel_has_ip_vs,
    },
    Scenario {
        name: "five-minutes-pass",
        about: "a sleep of 300 s takes 300 s by the guest's clock (and no time at all under virtual time)",
        programs: &[],
        observes: false,
        run: five_minutes_pass,
    },
    Scenario {
        name: "each-scenario-starts-clean",
        about: "nothing that another scenario left behind is visible: services, interfaces, processes",
        programs: &[],
        observes: false,
        run: starts_clean,
    },
];

fn kernel_has_ip_vs(stage: &mut Stage) -> anyhow::Result<Value> {
    run("ipvsadm -A -u 192.0.2.1:53 -s rr")?;
    stage.progress(json!({"step": "service added"}));
    run("ipvsadm -a -u 192.0.2.1:53 -r 198.51.100.5:53 -g -w 3")?;
    let table = run("ipvsadm -S -n");
    run("ipvsadm -D -u 192.0.2.1:53")?;
    let table = table?;
    ensure!(
        table.contains("-a -u 192.0.2.1:53 -r 198.51.100.5:53 -g -w 3"),
        "the server is not in the table: {table}"
    );
    let version = run("ipvsadm -l -n")?
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    Ok(json!({"ipvs": version, "module_btf": std::path::Path::new("/sys/kernel/btf/ip_vs").exists()}))
}

fn starts_clean(_stage: &mut Stage) -> anyhow::Result<Value> {
    let table = run("ipvsadm -S -n")?;
    ensure!(table.trim().is_empty(), "services are left: {table}");
    let links = run("ip -o link")?;
    let left = links
        .lines()
        .filter(|line| line.contains("veth") || line.contains("dummy"))
        .count();
    ensure!(left == 0, "interfaces are left: {links}");
    ensure!(
        std::process::id() == 1,
        "the scenario is not the first process of its namespace"
    );
    // What must not be seen by the next run of this very scenario.
    run("ipvsadm -A -u 192.0.2.1:53 -s rr")?;
    run("ip link add veth-a type veth peer name veth-b")?;
    Command::new("sleep")
        .arg("100000")
        .spawn()
        .context("cannot start sleep")?;
    Ok(Value::Null)
}

fn five_minutes_pass(_stage: &mut Stage) -> anyhow::Result<Value> {
    let begin = std::time::Instant::now();
    // The one test whose subject is a sleep: the lab's clock itself.
    std::thread::sleep(std::time::Duration::from_mins(5));
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(
        (300.0..301.0).contains(&seconds),
        "300 s took {seconds} s by the guest's clock"
    );
    Ok(json!({"seconds": seconds}))
}

fn run(line: &str) -> anyhow::Result<String> {
    let mut words = line.split(' ');
    let program = words.next().context("an empty command")?;
    let output = Command::new(program)
        .args(words)
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}`: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
