//! The part of the command line that says how one drain is to differ from the configured policy.

use clap::Args;

use crate::drain::Changes;

/// What is not given is as configured, or else the built-in default.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// A UDP flow silent for this long is over. [built in: 10s]
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    udp_quiet: Option<u32>,
    /// A TCP or SCTP flow that is not established and silent for this long is over. [built in: 30s]
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    tcp_quiet: Option<u32>,
    /// A TCP flow past FIN or RST, or an SCTP one past SHUTDOWN or ABORT, and silent for this long is over.
    /// [built in: 10s]
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    closing_quiet: Option<u32>,
    /// UDP flows that never fall silent: wait for them until the deadline, migrate them (when nothing else is live,
    /// remove the server while it still answers: the kernel moves each at its next datagram), or hold the server for
    /// them even beyond the deadline. [built in: wait]
    #[arg(long, value_name = "WHAT", value_parser = ["wait", "migrate", "hold"])]
    pinned: Option<String>,
    /// May net.ipv4.vs.expire_nodest_conn be turned on for the moment of the removal? [built in: scoped]
    #[arg(long, value_name = "WHEN", value_parser = ["scoped", "never"])]
    sysctl: Option<String>,
    /// A scheduler that drops new flows at weight 0 (sh, mh): set its fallback flag while the drain lasts, or refuse.
    /// [built in: refuse]
    #[arg(long, value_name = "WHAT", value_parser = ["set", "refuse"])]
    fallback: Option<String>,
    /// Clients of a persistent service that keep coming: set net.ipv4.vs.expire_quiescent_template while the drain
    /// lasts, or report them. [built in: report]
    #[arg(long, value_name = "WHAT", value_parser = ["set", "report"])]
    persistence: Option<String>,
    /// Once it is proven empty: remove the server, or keep it at weight 0. [built in: remove]
    #[arg(long, value_name = "WHAT", value_parser = ["remove", "keep"])]
    then: Option<String>,
    /// Call the drain overdue after this long.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    soft_deadline: Option<u32>,
    /// Act after this long: see --on-deadline.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    deadline: Option<u32>,
    /// At the deadline hold (the drain goes on, the wait ends), remove (live UDP flows are scheduled anew, live TCP
    /// connections are cut) or restore. [built in: hold]
    #[arg(long, value_name = "WHAT", value_parser = ["hold", "remove", "restore"])]
    on_deadline: Option<String>,
}

impl PolicyArgs {
    pub(super) fn changes(&self) -> Changes {
        Changes::default()
            .with("udp_quiet_secs", self.udp_quiet)
            .with("tcp_quiet_secs", self.tcp_quiet)
            .with("closing_quiet_secs", self.closing_quiet)
            .with("pinned", self.pinned.as_ref())
            .with("sysctl", self.sysctl.as_ref())
            .with("fallback", self.fallback.as_ref())
            .with("persistence", self.persistence.as_ref())
            .with("then", self.then.as_ref())
            .with("soft_deadline_secs", self.soft_deadline)
            .with("deadline_secs", self.deadline)
            .with("on_deadline", self.on_deadline.as_ref())
    }
}

/// `90`, `90s`, `2m`, `1h` or `7d`, in whole seconds.
pub(super) fn read_secs(text: &str) -> Result<u32, String> {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let number: u32 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a span: write 90s, 2m, 1h or 7d"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}` is too long"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::drain::{OnDeadline, Pinned, Policy, Then};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        policy: PolicyArgs,
    }

    fn policy(words: &[&str]) -> Policy {
        let line = Line::try_parse_from([&["drain"], words].concat()).unwrap();
        line.policy.changes().apply(&Policy::default()).unwrap()
    }

    #[test]
    fn every_option_reaches_its_field() {
        assert_eq!(policy(&[]), Policy::default());
        let all = policy(&[
            "--udp-quiet",
            "5s",
            "--tcp-quiet",
            "1m",
            "--closing-quiet",
            "7",
            "--pinned",
            "hold",
            "--sysctl",
            "scoped",
            "--fallback",
            "set",
            "--persistence",
            "set",
            "--then",
            "keep",
            "--soft-deadline",
            "2m",
            "--deadline",
            "1h",
            "--on-deadline",
            "restore",
        ]);
        assert_eq!(
            (all.udp_quiet_secs, all.tcp_quiet_secs, all.closing_quiet_secs),
            (5, 60, 7)
        );
        assert_eq!(
            (all.pinned, all.then, all.on_deadline),
            (Pinned::Hold, Then::Keep, OnDeadline::Restore)
        );
        assert_eq!(
            (all.soft_deadline_secs, all.deadline_secs),
            (Some(120), Some(3600))
        );
        assert!(Line::try_parse_from(["drain", "--pinned", "drop"]).is_err());
    }

    #[test]
    fn spans_are_seconds_minutes_hours_or_days() {
        let spans = ["90", "90s", "2m", "1h", "7d"].map(read_secs);
        assert_eq!(spans, [Ok(90), Ok(90), Ok(120), Ok(3600), Ok(604_800)]);
        assert!(read_secs("1w").is_err() && read_secs("-1s").is_err() && read_secs("4294967295m").is_err());
    }
}
