//! A command is run, and its exit code is the result. It is ended with all it started.

use std::time::Duration;

use super::bad::Bad;
use crate::check::job::Job;
use crate::check::written::Exec;
use crate::command::{Call, CallError, Ended};
use crate::identity::{RealServer, VirtualService};

/// How much of what it complains of is part of the cause.
const LONGEST_COMPLAINT: usize = 200;

pub(super) async fn run(
    exec: &Exec,
    job: &Job,
    service: &VirtualService,
    server: &RealServer,
) -> Result<(), Bad> {
    let limit = job.timeout();
    let port = job.check.port.map_or(server.0.port(), Into::into);
    let environment = [
        ("IPVSDRAIN_CHECK", job.check.name().to_owned()),
        ("IPVSDRAIN_SERVICE", service.to_string()),
        ("IPVSDRAIN_SERVER", server.to_string()),
        ("IPVSDRAIN_SERVER_ADDRESS", server.0.ip().to_string()),
        ("IPVSDRAIN_SERVER_PORT", port.to_string()),
        ("IPVSDRAIN_TIMEOUT_MS", limit.as_millis().to_string()),
    ];
    let call = Call {
        run: &exec.run,
        environment: &environment,
        input: "",
        limit,
        alone: true,
    };
    let program = exec.run.first().map_or("", String::as_str);
    match call.make().await {
        Ok(Ended::ByItself { status, complaint }) => match status.code() {
            Some(code) => judge(exec, code, &complaint),
            None => Err(Bad::Checker(format!("{program} ended with {status}"))),
        },
        Ok(Ended::Killed) => Err(killed(limit)),
        Err(CallError::Start(error)) => Err(Bad::Checker(format!("{program} cannot be started: {error}"))),
        Err(CallError::Talk(error)) => Err(Bad::Checker(format!("{program} cannot be listened to: {error}"))),
    }
}

fn killed(limit: Duration) -> Bad {
    Bad::Server(format!("killed: no end within {} ms", limit.as_millis()))
}

fn judge(exec: &Exec, code: i32, complaint: &str) -> Result<(), Bad> {
    let is_down = exec.down.is_empty() || exec.down.iter().any(|down| i32::from(*down) == code);
    let first = complaint.lines().next().unwrap_or_default();
    let first: String = first.chars().take(LONGEST_COMPLAINT).collect();
    let said = if first.is_empty() {
        format!("exit code {code}")
    } else {
        format!("exit code {code}: {first}")
    };
    match code {
        0 => Ok(()),
        _ if is_down => Err(Bad::Server(said)),
        _ => Err(Bad::Checker(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_mean_down_are_failures() {
        let judged = |down: &[u8], code| {
            let exec = Exec {
                down: down.to_vec(),
                ..Exec::default()
            };
            judge(&exec, code, "lag\nof 40 s")
        };
        assert_eq!(judged(&[], 0), Ok(()));
        assert_eq!(judged(&[], 1), Err(Bad::Server("exit code 1: lag".to_owned())));
        assert_eq!(judged(&[2], 2), Err(Bad::Server("exit code 2: lag".to_owned())));
        assert_eq!(judged(&[2], 1), Err(Bad::Checker("exit code 1: lag".to_owned())));
    }
}
