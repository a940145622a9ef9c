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
        run: kernel_has_ip_vs,
    },
    Scenario {
        name: "five-minutes-pass",
        about: "a sleep of 300 s takes 300 s by the guest's clock (and no time at all under virtual time)",
        programs: &[],
        run: five_minutes_pass,
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

fn five_minutes_pass(_stage: &mut Stage) -> anyhow::Result<Value> {
    let begin = std::time::Instant::now();
    // The one test whose subject is a sleep: the lab's clock itself.
    std::thread::sleep(std::time::Duration::from_secs(300));
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
