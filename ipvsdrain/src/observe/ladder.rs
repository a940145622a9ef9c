//! The ladder: what live flows are seen by, and which rung is taken. Pure.
//!
//! A lower rung sees less and waits longer, and is as safe. Each fallback carries its cause.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What live flows are seen by; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The probe on IPVS: every forwarded and every answered packet, with its connection.
    Probes,
    /// The kernel's table names the flows, and their packets' arrival keeps them live.
    Arrivals,
    /// The kernel's own packet counter of each server: flows are not counted.
    Counters,
}

impl Rung {
    pub const ALL: [Rung; 3] = [Rung::Probes, Rung::Arrivals, Rung::Counters];

    pub const fn word(self) -> &'static str {
        match self {
            Rung::Probes => "probes",
            Rung::Arrivals => "arrivals",
            Rung::Counters => "counters",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Rung {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Rung::ALL
            .into_iter()
            .find(|rung| rung.word() == text)
            .ok_or_else(|| format!("there is no rung \"{text}\": it is one of probes, arrivals, counters"))
    }
}

/// The rung that is stood on, and why it is no better one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) rung: Rung,
    pub(super) cause: Option<String>,
}

/// The best rung that is possible, if it is not below `lowest`. The causes say why a rung is not possible. An error
/// tells them all.
pub(super) fn choose(
    no_probes: Option<String>,
    no_arrivals: Option<String>,
    lowest: Rung,
) -> Result<Standing, String> {
    let Some(no_probes) = no_probes else {
        return Ok(Standing {
            rung: Rung::Probes,
            cause: None,
        });
    };
    let (rung, cause) = match no_arrivals {
        None => (Rung::Arrivals, no_probes),
        Some(no_arrivals) => {
            let cause = format!("{no_probes}; and arrivals cannot be counted: {no_arrivals}");
            (Rung::Counters, cause)
        }
    };
    if rung > lowest {
        return Err(format!(
            "{cause} (the configuration allows no rung below {lowest})"
        ));
    }
    Ok(Standing {
        rung,
        cause: Some(cause),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_possible_rung_is_taken_and_each_fallback_names_its_cause() {
        let take = |probes, arrivals| choose(probes, arrivals, Rung::Counters).unwrap();
        let best = take(None, Some("no interface".to_owned()));
        assert_eq!((best.rung, best.cause), (Rung::Probes, None));
        let second = take(Some("no types".to_owned()), None);
        assert_eq!(
            (second.rung, second.cause.as_deref()),
            (Rung::Arrivals, Some("no types"))
        );
        let last = take(Some("no types".to_owned()), Some("no interface".to_owned()));
        assert_eq!(last.rung, Rung::Counters);
        let said = last.cause.unwrap();
        assert!(
            said.contains("no types") && said.contains("no interface"),
            "{said}"
        );
    }

    #[test]
    fn no_rung_below_the_lowest_allowed_is_taken() {
        for (lowest, arrivals, goes) in [
            (Rung::Probes, None, false),
            (Rung::Arrivals, None, true),
            (Rung::Arrivals, Some("no interface".to_owned()), false),
            (Rung::Counters, Some("no interface".to_owned()), true),
        ] {
            assert_eq!(
                choose(Some("no types".to_owned()), arrivals, lowest).is_ok(),
                goes,
                "{lowest}"
            );
        }
        assert!(choose(None, None, Rung::Probes).is_ok());
    }

    #[test]
    fn words_read_back() {
        for rung in Rung::ALL {
            assert_eq!(rung.to_string().parse(), Ok(rung));
        }
        assert!(
            "kprobes"
                .parse::<Rung>()
                .unwrap_err()
                .contains("probes, arrivals")
        );
    }
}
