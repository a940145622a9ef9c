//! What the lab's two sides say to each other: the request that the host puts into the guest, and the
//! events that come back, one JSON object per line, on the guest's second serial port.
//!
//! This one file is compiled into both sides (`xtask` includes it by path), so they cannot disagree.
//! It holds plain data only: nothing is read, written or timed here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the guest finds its [`Request`].
pub const REQUEST_PATH: &str = "/lab/request.json";

/// What the guest is asked to do in one boot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Request {
    /// Names of the scenarios to run, in this order.
    pub scenarios: Vec<String>,
    /// A command to run instead, with its arguments.
    pub command: Vec<String>,
    /// Handed to every scenario as it is.
    pub options: Value,
    /// How long one scenario (or the command) may take, in seconds of the guest's clock.
    pub limit_seconds: u64,
}

/// One line from the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The guest is up; `kernel` is its release, as in `uname -r`.
    Booted { kernel: String, guest_seconds: f64 },
    /// Sent now and then, so that silence means a hang.
    Alive { guest_seconds: f64 },
    /// A scenario begins.
    Started { scenario: String },
    /// A scenario tells how far it is, in its own terms.
    Progress { scenario: String, data: Value },
    /// A scenario has ended.
    Finished(ScenarioResult),
    /// One line that the command wrote.
    Output { stream: Stream, line: String },
    /// The command has ended; 128 + n where signal n killed it.
    Exited { code: i32 },
    /// Something the guest could not do, which is not a scenario's own failure.
    Trouble { text: String },
    /// Everything asked for is done; the guest powers off.
    End { guest_seconds: f64 },
}

/// Which of the command's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How one scenario ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    pub scenario: String,
    /// Release of the kernel it ran on.
    pub kernel: String,
    pub passed: bool,
    /// Why it failed, with the chain of causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the scenario returned; what it found, or null, if it failed.
    #[serde(default)]
    pub value: Value,
    /// How long it took by the guest's clock.
    pub guest_seconds: f64,
}

impl Event {
    /// The event on this line, if the line is one.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim()).ok()
    }

    /// The event as one line, with its newline.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("an event has no key that is not text");
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_one_line_and_reads_back() {
        let result = ScenarioResult {
            scenario: "a".into(),
            kernel: "6.1.0".into(),
            passed: false,
            error: Some("first\nsecond".into()),
            value: Value::Null,
            guest_seconds: 1.5,
        };
        for event in [
            Event::Booted {
                kernel: "6.1.0".into(),
                guest_seconds: 0.5,
            },
            Event::Progress {
                scenario: "a".into(),
                data: serde_json::json!({"live": 3, "text": "x\ny"}),
            },
            Event::Finished(result),
            Event::Output {
                stream: Stream::Stderr,
                line: "\u{1b}[1m\"quoted\"".into(),
            },
            Event::Exited { code: 137 },
            Event::End {
                guest_seconds: 900.25,
            },
        ] {
            let line = event.to_line();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(Event::from_line(&line), Some(event));
        }
    }

    #[test]
    fn a_line_that_is_no_event_is_told_apart() {
        assert_eq!(Event::from_line("[    1.0] random: crng init done"), None);
        assert_eq!(Event::from_line("{\"event\":\"unheard-of\"}"), None);
    }
}
