//! Which cells there are, which of them are wanted and missing, and how they are dealt out to boots. Pure.

use std::fmt;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::record::{Key, Records};
use crate::lab::KernelChoice;

/// A world in which nothing is done.
pub(super) const CONTROL: &str = "control";

pub(super) const STRATEGIES: [&str; 12] = [
    CONTROL,
    "delete",
    "fixed-timer-10",
    "fixed-timer-30",
    "fixed-timer-60",
    "counter-poll",
    "keepalived-reload",
    "keepalived-inhibit",
    "ldirectord-quiescent",
    "ldirectord-maintenance",
    "ipvsdrain",
    "ipvsdrain-migrate",
];

pub(super) const TRAFFIC: [&str; 8] = [
    "dns",
    "syslog",
    "netflow",
    "quic",
    "http",
    "idle",
    "download",
    "persistent",
];

pub(super) const FORWARDINGS: [&str; 3] = ["direct-route", "masquerade", "tunnel"];

/// Where rows are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Guest(KernelChoice),
    /// This machine, by its kernel's release.
    Host(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(kernel) => kernel.fmt(f),
            Self::Host(release) => f.write_str(release),
        }
    }
}

/// Every combination of these, under both values of `expire_nodest_conn`.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) places: Vec<Place>,
    pub(super) strategies: Vec<&'static str>,
    pub(super) traffic: Vec<&'static str>,
    pub(super) forwardings: Vec<&'static str>,
}

impl Wanted {
    pub(super) fn cells(&self) -> usize {
        self.places.len() * self.strategies.len() * self.traffic.len() * self.forwardings.len() * 2
    }
}

/// The words asked for, in the order of the list; without any, the usual ones.
pub(super) fn chosen(
    what: &str,
    asked: &[String],
    all: &[&'static str],
    usual: Vec<&'static str>,
) -> Result<Vec<&'static str>> {
    for word in asked {
        if !all.contains(&word.as_str()) {
            bail!("there is no {what} `{word}`; there are: {}", all.join(", "));
        }
    }
    if asked.is_empty() {
        return Ok(usual);
    }
    let is_asked = |word: &&&str| asked.iter().any(|asked| asked == **word);
    Ok(all.iter().filter(is_asked).copied().collect())
}

/// One setting on one kernel, and the strategies that have no result under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) traffic: &'static str,
    pub(super) forwarding: &'static str,
    pub(super) expire_nodest_conn: u8,
    pub(super) strategies: Vec<&'static str>,
}

/// The rows that are run side by side, in one guest or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boot {
    pub(super) place: Place,
    pub(super) rows: Vec<Row>,
}

impl Row {
    /// One of them is left alone, whether its result is wanted or not.
    fn worlds(&self) -> usize {
        self.strategies.len() + usize::from(!self.strategies.contains(&CONTROL))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "traffic": self.traffic,
            "forwarding": self.forwarding,
            "expire_nodest_conn": self.expire_nodest_conn,
            "strategies": self.strategies,
        })
    }
}

impl Boot {
    pub(super) fn worlds(&self) -> usize {
        self.rows.iter().map(Row::worlds).sum()
    }

    pub(super) fn cells(&self) -> usize {
        self.rows.iter().map(|row| row.strategies.len()).sum()
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}, {} worlds:", self.place, self.worlds())?;
        for row in &self.rows {
            let (traffic, forwarding) = (row.traffic, row.forwarding);
            write!(
                f,
                " {traffic}/{forwarding}/{}×{}",
                row.expire_nodest_conn,
                row.worlds()
            )?;
        }
        Ok(())
    }
}

/// What is missing, in boots of at most so many worlds, all traffic of one forwarding method before the next. A row is
/// never split: its cells are to be compared.
pub(super) fn boots(wanted: &Wanted, records: &Records, worlds: usize) -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::new();
    for forwarding in &wanted.forwardings {
        for traffic in &wanted.traffic {
            for expire_nodest_conn in [0, 1] {
                for place in &wanted.places {
                    let mut row = Row {
                        traffic,
                        forwarding,
                        expire_nodest_conn,
                        strategies: wanted.strategies.clone(),
                    };
                    row.strategies.retain(|strategy| {
                        !records.have(&Key {
                            kernel: place.to_string(),
                            traffic: (*traffic).to_owned(),
                            forwarding: (*forwarding).to_owned(),
                            expire_nodest_conn,
                            strategy: (*strategy).to_owned(),
                        })
                    });
                    if row.strategies.is_empty() {
                        continue;
                    }
                    let of_place = |boot: &&mut Boot| boot.place == *place;
                    match boots.iter_mut().rev().find(of_place) {
                        Some(boot) if boot.worlds() + row.worlds() <= worlds => boot.rows.push(row),
                        _ => boots.push(Boot {
                            place: place.clone(),
                            rows: vec![row],
                        }),
                    }
                }
            }
        }
    }
    boots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::record;

    fn wanted() -> Wanted {
        Wanted {
            places: ["6.1", "7"]
                .map(|series| Place::Guest(KernelChoice::Debian(series)))
                .to_vec(),
            strategies: vec![CONTROL, "delete", "ipvsdrain"],
            traffic: vec!["dns", "syslog"],
            forwardings: vec!["direct-route"],
        }
    }

    #[test]
    fn rows_fill_boots_of_their_kernel_and_are_never_split() {
        let boots = boots(&wanted(), &Records::default(), 8);
        let worlds: Vec<_> = boots
            .iter()
            .map(|boot| (boot.place.to_string(), boot.worlds()))
            .collect();
        let of = |kernel: &str| (kernel.to_owned(), 6);
        assert_eq!(worlds, [of("6.1"), of("7"), of("6.1"), of("7")]);
        assert_eq!(boots.iter().map(Boot::cells).sum::<usize>(), wanted().cells());
    }

    #[test]
    fn what_has_a_result_is_not_run_again_unless_it_was_void() {
        let mut records = Records::default();
        for strategy in [CONTROL, "delete", "ipvsdrain"] {
            records.take(record("6.1", "dns", strategy, None));
        }
        records.take(record("7", "dns", "delete", None));
        records.take(record("7", "dns", "ipvsdrain", Some("too busy")));
        let boots = boots(&wanted(), &records, 100);
        let dns_0: Vec<_> = boots
            .iter()
            .flat_map(|boot| &boot.rows)
            .filter(|row| (row.traffic, row.expire_nodest_conn) == ("dns", 0))
            .collect();
        assert_eq!(dns_0.len(), 1, "{dns_0:?}");
        assert_eq!(dns_0[0].strategies, [CONTROL, "ipvsdrain"]);
        let alone = Row {
            strategies: vec!["delete"],
            ..dns_0[0].clone()
        };
        assert_eq!(alone.worlds(), 2);
    }

    #[test]
    fn an_unknown_word_is_refused_with_those_there_are() {
        let asked = ["syslog".to_owned(), "dns".to_owned()];
        let words = chosen("traffic", &asked, &TRAFFIC, Vec::new()).unwrap();
        assert_eq!(words, ["dns", "syslog"]);
        let error = chosen("traffic", &["x".to_owned()], &TRAFFIC, Vec::new()).unwrap_err();
        assert!(error.to_string().contains("persistent"), "{error}");
    }
}
