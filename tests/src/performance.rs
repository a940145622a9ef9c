//! Runs scenarios one after another and reports each: the same in the guest and on the host itself.
//!
//! A scenario runs in a thread of its own, so that a panic or an endless wait ends that scenario only.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::protocol::{Event, Request, ScenarioResult};
use crate::scenario::{Scenario, Sink, Stage, find, missing_programs};

/// Runs the scenarios of `request` in order, and says whether all passed. After one that ran out of
/// time the rest is not run: its thread may still hold the network.
pub fn run_all(request: &Request, kernel: &str, sink: &Sink) -> bool {
    let mut stuck = None;
    let mut all_passed = true;
    for name in &request.scenarios {
        let begin = Instant::now();
        let ended = match (&stuck, find(name)) {
            (Some(earlier), _) => Err(format!("not run: `{earlier}` before it ran out of time")),
            (None, Err(error)) => Err(format!("{error:#}")),
            (None, Ok(scenario)) => {
                sink(&Event::Started {
                    scenario: name.clone(),
                });
                let limit = Duration::from_secs(request.limit_seconds);
                run_one(scenario, request.options.clone(), sink, limit).unwrap_or_else(|| {
                    stuck = Some(name.clone());
                    Err(format!(
                        "not done after {} s of the guest's clock",
                        request.limit_seconds
                    ))
                })
            }
        };
        all_passed &= ended.is_ok();
        let (value, error) = match ended {
            Ok(value) => (value, None),
            Err(text) => (Value::Null, Some(text)),
        };
        sink(&Event::Finished(ScenarioResult {
            scenario: name.clone(),
            kernel: kernel.to_owned(),
            passed: error.is_none(),
            error,
            value,
            guest_seconds: begin.elapsed().as_secs_f64(),
        }));
    }
    all_passed
}

/// What the scenario returned, or why it failed; nothing if it is still at it after `limit`.
fn run_one(
    scenario: Scenario,
    options: Value,
    sink: &Sink,
    limit: Duration,
) -> Option<Result<Value, String>> {
    let missing = missing_programs(&scenario);
    if !missing.is_empty() {
        return Some(Err(format!(
            "programs it needs are not here: {}",
            missing.join(", ")
        )));
    }
    let (done, ending) = mpsc::channel();
    let mut stage = Stage::new(scenario.name, options, sink.clone());
    std::thread::spawn(move || {
        let ended = match catch_unwind(AssertUnwindSafe(|| (scenario.run)(&mut stage))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(panic) => Err(format!("panicked: {}", panic_text(panic.as_ref()))),
        };
        // Nobody listens any more where the time limit has passed.
        let _ = done.send(ended);
    });
    ending.recv_timeout(limit).ok()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn scenario(run: fn(&mut Stage) -> anyhow::Result<Value>) -> Scenario {
        Scenario {
            name: "one",
            about: "",
            programs: &[],
            run,
        }
    }

    fn ended(scenario: Scenario, limit: Duration) -> Option<Result<Value, String>> {
        run_one(scenario, Value::Null, &(Arc::new(|_: &Event| ()) as Sink), limit)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn errors_and_panics_are_failures_with_their_text() {
        assert_eq!(
            ended(scenario(|_| Ok(Value::from(7))), LONG),
            Some(Ok(Value::from(7)))
        );
        let error = ended(scenario(|_| Err(anyhow::anyhow!("inner").context("outer"))), LONG);
        assert_eq!(error, Some(Err("outer: inner".into())));
        let panic = ended(scenario(|_| panic!("lost {} packets", 3)), LONG);
        assert_eq!(panic, Some(Err("panicked: lost 3 packets".into())));
    }

    #[test]
    fn an_endless_scenario_is_given_up() {
        let endless = scenario(|_| {
            loop {
                std::thread::park();
            }
        });
        assert_eq!(ended(endless, Duration::from_millis(20)), None);
    }

    #[test]
    fn a_missing_program_fails_the_scenario() {
        let needy = Scenario {
            programs: &["nothing/no-such-program"],
            ..scenario(|_| Ok(Value::Null))
        };
        assert!(
            ended(needy, LONG)
                .unwrap()
                .unwrap_err()
                .contains("no-such-program")
        );
    }
}
