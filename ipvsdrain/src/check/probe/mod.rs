//! Tries one real server once, within the time it has. One file per kind; what a result means is decided elsewhere.

mod bad;
mod dns;
#[cfg(test)]
mod dns_tests;
mod door;
mod exec;
#[cfg(test)]
mod exec_tests;
mod http;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod servers;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
mod tls_tests;
mod udp;

use std::time::Duration;

use tokio::time::{Instant, timeout};

use self::bad::Bad;
use self::door::Door;
use super::job::Job;
use super::kind::Kind;
use super::target::{Target, target};
use super::wanted::Key;
use crate::health::Outcome;

/// An end that comes later than this after its time tells of this host, and not of the server: it was busy or suspended.
const LATE: Duration = Duration::from_millis(500);

/// Tries it. The end comes in time, whatever the server does.
pub(super) async fn probe(job: &Job, key: &Key) -> Outcome {
    let limit = job.timeout();
    if let Kind::Exec(exec) = &job.kind {
        // It has to be ended by hand.
        return outcome(exec::run(exec, job, &key.service, &key.server).await);
    }
    let to = match target(key, job.check.port, job.check.via) {
        Ok(to) => to,
        Err(why) => return Outcome::NoResult(why),
    };
    let begun = Instant::now();
    match timeout(limit, converse(&job.kind, to)).await {
        Ok(result) => outcome(result),
        Err(_) => in_silence(&job.kind, limit, begun.elapsed()),
    }
}

async fn converse(kind: &Kind, to: Target) -> Result<(), Bad> {
    let to = &Door::to(to).await?;
    match kind {
        Kind::Tcp => tcp::connect(to).await,
        Kind::Udp(exchange) => udp::exchange(exchange, to).await,
        Kind::Dns(question) => dns::ask(question, to).await,
        Kind::Http(get) => http::get(get, to).await,
        Kind::Tls(secure) => tls::greet(secure, to).await,
        Kind::Exec(_) => Ok(()),
    }
}

fn outcome(result: Result<(), Bad>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(Bad::Server(cause)) => Outcome::Failed(cause),
        Err(Bad::Checker(cause)) => Outcome::NoResult(cause),
    }
}

/// The time is over, and the server has not said anything wrong.
fn in_silence(kind: &Kind, limit: Duration, took: Duration) -> Outcome {
    let limit_ms = limit.as_millis();
    match kind {
        Kind::Udp(exchange) if exchange.expect.is_none() => Outcome::Passed,
        _ if took > limit + LATE => Outcome::NoResult(format!(
            "this host was too busy: a check of {limit_ms} ms ended after {} ms",
            took.as_millis()
        )),
        _ => Outcome::Failed(format!("no answer within {limit_ms} ms")),
    }
}
