//! `POST /v1/reports`: somebody else's word on the health of a server. Here it is checked and made a finding; what
//! follows from it is not decided here.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::view::{Problem, ProblemKind};
use crate::health::{Finding, Outcome};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// For how long a report may hold without a newer one: a day.
const LONGEST_TTL_SECS: u32 = 24 * 3600;
const LONGEST_SOURCE: usize = 64;
const LONGEST_CAUSE: usize = 200;
/// What is said of a failure that was reported without a cause.
const NO_CAUSE: &str = "no cause was given";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    pub service: VirtualService,
    pub server: RealServer,
    /// Who says so: a newer word of the same source takes the place of its last one.
    pub source: String,
    pub status: ReportStatus,
    /// For how many seconds it holds without a newer one. Not needed to withdraw it.
    pub ttl_secs: Option<u32>,
    /// What is wrong with the server.
    #[serde(default)]
    pub cause: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// It was found well.
    Up,
    /// It was found to fail.
    Down,
    /// This source speaks of it no more.
    Withdraw,
}

impl fmt::Display for ReportStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReportStatus::Up => "up",
            ReportStatus::Down => "down",
            ReportStatus::Withdraw => "withdraw",
        })
    }
}

impl ReportRequest {
    /// What it says, heard at this moment. One word of a source from outside is enough: it has counted itself.
    pub(super) fn finding(self, at: Moment) -> Result<Finding, Problem> {
        check_source(&self.source)?;
        check_cause(&self.cause)?;
        let ttl_secs = self.ttl_secs()?;
        let outcome = match self.status {
            ReportStatus::Up => Outcome::Passed,
            ReportStatus::Down if self.cause.trim().is_empty() => Outcome::Failed(NO_CAUSE.to_owned()),
            ReportStatus::Down => Outcome::Failed(self.cause),
            ReportStatus::Withdraw => Outcome::Withdrawn,
        };
        Ok(Finding {
            service: self.service,
            server: self.server,
            source: format!("report:{}", self.source),
            outcome,
            began: at,
            at,
            rise: 1,
            fall: 1,
            stale_after: Duration::from_secs(u64::from(ttl_secs)),
            stands: true,
        })
    }

    fn ttl_secs(&self) -> Result<u32, Problem> {
        match self.ttl_secs {
            Some(secs) if (1..=LONGEST_TTL_SECS).contains(&secs) => Ok(secs),
            Some(secs) => Err(malformed(format!(
                "a ttl of {secs} s is out of range: give 1 to {LONGEST_TTL_SECS} s"
            ))),
            None if self.status == ReportStatus::Withdraw => Ok(0),
            None => Err(malformed(format!(
                "a report of `{}` needs ttl_secs, for how long it holds without a newer one: give 1 to \
                 {LONGEST_TTL_SECS}",
                self.status
            ))),
        }
    }
}

fn check_source(name: &str) -> Result<(), Problem> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=LONGEST_SOURCE).contains(&name.len()) && name.bytes().all(is_good) {
        return Ok(());
    }
    Err(malformed(format!(
        "`{}` cannot name a source: give 1 to {LONGEST_SOURCE} of the characters a-z, A-Z, 0-9, `.`, `_` and `-`",
        name.escape_debug()
    )))
}

/// It stands in log lines and tables.
fn check_cause(cause: &str) -> Result<(), Problem> {
    if cause.chars().count() <= LONGEST_CAUSE && !cause.contains(char::is_control) {
        return Ok(());
    }
    Err(malformed(format!(
        "the cause is more than one line of {LONGEST_CAUSE} characters: shorten it"
    )))
}

fn malformed(error: String) -> Problem {
    Problem {
        kind: ProblemKind::Malformed,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ReportRequest {
        ReportRequest {
            service: "udp:10.0.0.1:53".parse().unwrap(),
            server: "10.1.0.5:53".parse().unwrap(),
            source: "icinga".to_owned(),
            status: ReportStatus::Down,
            ttl_secs: Some(30),
            cause: "no answer".to_owned(),
        }
    }

    #[test]
    fn a_report_is_a_finding_that_counts_at_once_and_holds_for_its_time() {
        let finding = report().finding(Moment::from_secs(7)).unwrap();
        assert_eq!(
            (finding.source.as_str(), finding.rise, finding.fall, finding.at),
            ("report:icinga", 1, 1, Moment::from_secs(7))
        );
        assert_eq!(finding.stale_after, Duration::from_secs(30));
        assert_eq!(finding.outcome, Outcome::Failed("no answer".to_owned()));
        let outcome = |status, cause: &str| {
            let cause = cause.to_owned();
            let asked = ReportRequest {
                status,
                cause,
                ..report()
            };
            asked.finding(Moment::default()).unwrap().outcome
        };
        assert_eq!(outcome(ReportStatus::Up, ""), Outcome::Passed);
        assert_eq!(
            outcome(ReportStatus::Down, " "),
            Outcome::Failed("no cause was given".to_owned())
        );
        assert_eq!(outcome(ReportStatus::Withdraw, ""), Outcome::Withdrawn);
    }

    #[test]
    fn names_times_and_causes_have_bounds() {
        let is_taken = |asked: ReportRequest| asked.finding(Moment::default()).is_ok();
        let named = |source: String| is_taken(ReportRequest { source, ..report() });
        assert!(named("a".to_owned()) && named("Icinga-2.dns_1".to_owned()) && named("x".repeat(64)));
        for odd in ["", "a b", "a:b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!named(odd.to_owned()), "{odd}");
        }
        let held = |ttl_secs| is_taken(ReportRequest { ttl_secs, ..report() });
        assert!(held(Some(1)) && held(Some(86_400)));
        assert!(!held(Some(0)) && !held(Some(86_401)) && !held(None));
        let withdrawn = ReportRequest {
            status: ReportStatus::Withdraw,
            ttl_secs: None,
            ..report()
        };
        assert!(is_taken(withdrawn), "nothing is left to hold");
        let because = |cause: String| is_taken(ReportRequest { cause, ..report() });
        assert!(because("é".repeat(200)) && !because("é".repeat(201)) && !because("a\nb".to_owned()));
    }
}
