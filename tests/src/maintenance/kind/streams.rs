//! TCP whose both ends are ours: idle connections as web sockets are, and a busy client of a persistent service.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Kind, Load, Said};
use crate::traffic::{TcpConnection, Traffic};
use crate::world::World;

const CONNECTIONS: u32 = 6;
const IDLE_EVERY: Duration = Duration::from_secs(30);
/// They end by themselves so long after the server is depooled.
const IDLE_LASTS: Duration = Duration::from_mins(2);
/// Not all of them speak at once.
const APART: Duration = Duration::from_millis(700);

const SHORT_EVERY: Duration = Duration::from_millis(500);

pub(super) fn idle(world: &World, port: u16) -> Result<Connections<'_>> {
    let mut traffic = Traffic::new(world);
    traffic.receive_tcp(port)?;
    for number in 0..CONNECTIONS {
        let connection = TcpConnection {
            starts: APART * number,
            lasts: Some(Kind::Idle.before() + IDLE_LASTS),
            every: Some(IDLE_EVERY),
        };
        traffic.connect_tcp(port, connection)?;
    }
    Ok(Connections(traffic))
}

pub(super) fn persistent(world: &World, port: u16) -> Result<Connections<'_>> {
    let mut traffic = Traffic::new(world);
    traffic.receive_tcp(port)?;
    traffic.connect_short_tcp(port, SHORT_EVERY)?;
    Ok(Connections(traffic))
}

pub(super) struct Connections<'world>(Traffic<'world>);

impl Load for Connections<'_> {
    fn finish(self: Box<Self>) -> Result<Said> {
        let account = self.0.finish()?;
        Ok(Said {
            broken: account.flows_in_trouble(true) as u64,
            words: json!({"records_sent": account.sent(), "records_lost": account.lost()}),
            ..Said::default()
        })
    }
}
