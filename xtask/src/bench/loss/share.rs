//! What cells have in common: results of one strategy under one kind of traffic, over all kernels and forwardings.
//! Pure.

use super::record::{Cost, Record, Records};

/// Of seconds that there are none of.
pub(super) const NEVER: &str = "never";

/// How much of what was sent came to harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Harm {
    pub(super) count: u64,
    pub(super) of: u64,
}

/// Traffic of datagrams; the rest is of connections.
pub(super) fn is_datagrams(traffic: &str) -> bool {
    matches!(traffic, "dns" | "syslog" | "netflow" | "quic")
}

impl Harm {
    /// Of datagrams: those lost, either way. Of sessions: those that lost some or were moved, for no other server knows
    /// them. Of connections: those reset, stuck or refused on the wire, or broken as their client saw it, whichever are
    /// more; wrk counts one connection again and again, so of it the wire alone.
    pub(super) fn of(traffic: &str, cost: &Cost) -> Self {
        let wire = cost.reset + cost.stuck + cost.refused;
        let (count, of) = match traffic {
            "quic" => (cost.broken + cost.moved, cost.flows),
            "http" => (wire, cost.sent),
            _ if is_datagrams(traffic) => (cost.lost + cost.answers_lost, cost.sent),
            _ => (wire.max(cost.broken), cost.sent),
        };
        Self {
            count: count.min(of),
            of,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    pub(super) fn share(self) -> f64 {
        if self.of == 0 {
            return 0.0;
        }
        self.count as f64 / self.of as f64
    }
}

/// Results that differ in kernel and forwarding alone.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) costs: Vec<&'a Cost>,
    traffic: &'a str,
}

impl<'a> Group<'a> {
    /// None if there is no result.
    pub(super) fn find(records: &'a Records, traffic: &'a str, strategy: &str, expires: u8) -> Option<Self> {
        let is_one = |record: &&Record| {
            let key = &record.key;
            key.traffic == traffic && key.strategy == strategy && key.expire_nodest_conn == expires
        };
        let costs: Vec<&Cost> = records.all().filter(is_one).filter_map(Record::valid).collect();
        (!costs.is_empty()).then_some(Self { costs, traffic })
    }

    /// The worst of them.
    pub(super) fn harm(&self) -> f64 {
        let shares = self.costs.iter().map(|cost| Harm::of(self.traffic, cost).share());
        shares.fold(0.0, f64::max)
    }

    /// The longest, if all of them removed the server.
    pub(super) fn seconds_to_removal(&self) -> Option<f64> {
        let seconds: Option<Vec<f64>> = self.costs.iter().map(|cost| cost.seconds_to_removal).collect();
        seconds.map(|seconds| seconds.into_iter().fold(0.0, f64::max))
    }

    /// `7`, or `7–9` where they differ.
    pub(super) fn range(&self, what: impl Fn(&Cost) -> u64) -> String {
        let values: Vec<u64> = self.costs.iter().map(|cost| what(cost)).collect();
        let (least, most) = (values.iter().min(), values.iter().max());
        match (least, most) {
            (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
            (Some(least), _) => least.to_string(),
            (None, _) => "–".to_owned(),
        }
    }

    /// The same of seconds. Of those that have none, how many.
    pub(super) fn seconds(&self, what: impl Fn(&Cost) -> Option<f64>) -> String {
        let values: Vec<f64> = self.costs.iter().filter_map(|cost| what(cost)).collect();
        let missing = self.costs.len() - values.len();
        let [least, most] = [
            values.iter().copied().fold(f64::INFINITY, f64::min),
            values.iter().copied().fold(0.0, f64::max),
        ]
        .map(|seconds| format!("{seconds:.1}"));
        let text = match values.len() {
            0 => return NEVER.to_owned(),
            _ if least == most => least,
            _ => format!("{least}–{most}"),
        };
        if missing == 0 {
            text
        } else {
            format!("{text}; never in {missing} of {}", self.costs.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::{cost, record};

    #[test]
    fn the_worst_counts_and_ranges_are_shown() {
        let mut records = Records::default();
        let mut other = record("7", "dns", "delete", None);
        other.cost = Some(cost(100, 9, None));
        records.take(record("6.1", "dns", "delete", None));
        records.take(other);
        let group = Group::find(&records, "dns", "delete", 0).unwrap();
        assert!((group.harm() - 0.09).abs() < 1e-9);
        assert_eq!(group.seconds_to_removal(), None);
        assert_eq!(group.range(|cost| cost.lost), "7–9");
        assert_eq!(group.range(|cost| cost.sent), "100");
        assert_eq!(
            group.seconds(|cost| cost.seconds_to_removal),
            "10.0; never in 1 of 2"
        );
        assert!(Group::find(&records, "dns", "delete", 1).is_none());
    }

    #[test]
    fn harm_to_connections_is_what_either_side_saw() {
        let mut one = cost(10, 0, Some(1.0));
        (one.reset, one.refused, one.broken) = (1, 2, 7);
        assert_eq!(Harm::of("idle", &one).count, 7);
        assert_eq!(Harm::of("http", &one).count, 3);
        (one.broken, one.flows, one.moved) = (2, 20, 6);
        assert_eq!(Harm::of("quic", &one), Harm { count: 8, of: 20 });
        assert_eq!(Harm::of("dns", &one).count, 0);
        assert!((Harm::of("dns", &cost(0, 0, None)).share()).abs() < 1e-9);
    }
}
