//! The capacity floor: of two drains at once that together would leave too little, one is refused; with `--force` it goes
//! through.

use std::time::Duration;

use anyhow::{Result, bail};

use super::judged::End;
use super::row::Row;
use super::setting::{Case, LIMIT, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::ledger::Server;
use crate::traffic::Replies;

const FORCED: [&str; 3] = ["--force", "--why", "planned, and the third server bears it"];

pub(super) fn rows() -> Vec<Row> {
    let setting = Setting {
        servers: 3,
        ..Setting::udp()
    };
    let config = "[floor]\nweight_percent = 50\n";
    vec![
        Row::new(
            "floor-second-refused",
            setting.clone().with_config(config),
            second_refused,
        ),
        Row::new("floor-forced", setting.with_config(config), forced),
    ]
}

/// Which of the two comes first is chance: server1 stands for the one that is drained.
fn second_refused(case: &mut Case<'_>) -> Result<()> {
    case.send_udp(LAST, Replies::Echo)?;
    let first = case.drain(&[])?;
    let second = case.daemon.begin_drain(case.place_of(Server(2)), &[])?;
    clock::pass(Duration::from_secs(2));
    let (drain, refused, other) = match (
        first.await_end(Duration::ZERO)?,
        second.await_end(Duration::ZERO)?,
    ) {
        (false, true) => (first, second, case.place_of(Server(2))),
        (true, false) => {
            let second_place = case.place_of(Server(2));
            let other = std::mem::replace(&mut case.place, second_place);
            (second, first, other)
        }
        (ended, other) => bail!("one of two drains was to be refused: ended are {ended} and {other}"),
    };
    let refused = refused.ended(LIMIT)?;
    case.facts.add("exit of the second", "4", refused.exit());
    case.facts.says("said", "floor", Some(&refused.said));
    case.facts
        .add("weights of the second", "1", case.witness.weights(other));
    case.judge_end(drain, End::REMOVED)
}

/// The forced one is judged. What becomes of the other, which was there first, is not said here.
fn forced(case: &mut Case<'_>) -> Result<()> {
    case.send_udp(LAST, Replies::Echo)?;
    let first = case.drain(&[])?;
    case.await_drain("weight 0", |view| view.state.word() == "draining")?;
    case.place = case.place_of(Server(2));
    let refused = case.daemon.begin_drain(case.place, &[])?.ended(LIMIT)?;
    case.facts.add("exit without --force", "4", refused.exit());
    let forced = case.daemon.begin_drain(case.place, &FORCED)?;
    case.client = Some(first);
    case.judge_end(forced, End::REMOVED)
}
