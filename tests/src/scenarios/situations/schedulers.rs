//! Schedulers that drop a share of the new flows while a server has weight 0: `sh` and `mh` without their fallback
//! flag, and `dh` always.

use std::time::Duration;

use anyhow::Result;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::traffic::Replies;

/// With the source port in the hash, so that the flows of one client go to all servers.
const SH: &str = "-s sh -b sh-port";
const MH: &str = "-s mh -b mh-port";
const DH: &str = "-s dh";

pub(super) fn rows() -> Vec<Row> {
    let udp = |options| Setting::udp().with_service(options);
    vec![
        Row::new("sh-refused", udp(SH), refused),
        Row::new("mh-refused", udp(MH), refused),
        Row::new("dh-refused", udp(DH), refused),
        Row::new("sh-fallback-set", udp(SH), sh_set),
        Row::new("mh-fallback-set", udp(MH), mh_set),
        Row::new("dh-fallback-set-refused", udp(DH), dh_set),
    ]
}

fn refused(case: &mut Case<'_>) -> Result<()> {
    refused_with(case, &[])
}

fn dh_set(case: &mut Case<'_>) -> Result<()> {
    refused_with(case, &["--fallback", "set"])
}

fn refused_with(case: &mut Case<'_>, options: &[&str]) -> Result<()> {
    send(case)?;
    let before = case.world.director().saved()?;
    let ended = case.drain(options)?.ended(super::setting::LIMIT)?;
    clock::pass(Duration::from_secs(3));
    let same = case.world.director().saved()? == before;
    case.facts.add("table unchanged", true, same);
    case.facts.says("said", "scheduler", Some(&ended.said));
    case.judge(Some(&ended.exit()), End::REFUSED)
}

fn sh_set(case: &mut Case<'_>) -> Result<()> {
    set(case, "sh-fallback")
}

fn mh_set(case: &mut Case<'_>) -> Result<()> {
    set(case, "mh-fallback")
}

/// The flag is on during the drain, and off again afterwards, as the common check sees.
fn set(case: &mut Case<'_>, flag: &str) -> Result<()> {
    send(case)?;
    let drain = case.drain(&["--fallback", "set"])?;
    clock::pass(Duration::from_secs(2));
    let saved = case.world.director().saved()?;
    let is_on = saved
        .lines()
        .any(|line| line.starts_with("-A ") && (line.contains(flag) || line.contains("flag-1")));
    case.facts.add("flag during the drain", true, is_on);
    case.judge_end(drain, End::IDLE)
}

/// Many new flows, of which a share would be dropped.
fn send(case: &mut Case<'_>) -> Result<()> {
    case.send_udp(LAST, Replies::Echo)?;
    case.send_new_udp(Duration::from_millis(100), Replies::Echo)
}
