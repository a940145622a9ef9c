//! Who says what about the health of servers, and what is done about it.

use super::panel::Panel;
use super::shape::Kind;
use super::{Row, SERVER};

const UP: [(&str, &str); 2] = [("down", "red"), ("up", "green")];

pub fn row() -> Row {
    Row {
        title: "Health",
        panels: vec![
            Panel::new(
                Kind::Bands,
                "Found well",
                "The verdict on each server, of all that speak of it. A gap: nobody knows, and nothing is done.",
            )
            .query("ipvsdrain_health_up{SERVER}", SERVER)
            .words(&UP)
            .colors("red", &[(1.0, "green")]),
            Panel::new(
                Kind::Bands,
                "Found well, by source",
                "What each check and each report says. Where sources differ, look at the one that is alone.",
            )
            .query("ipvsdrain_health_source_up{SERVER}", &format!("{{{{source}}}}: {SERVER}"))
            .words(&UP)
            .colors("red", &[(1.0, "green")]),
            Panel::new(
                Kind::Bands,
                "What is done about it",
                "A band per stance: `needed` and `all_fail` are servers that fail and stay, `held_down` are well again and \
                 wait to be put back.",
            )
            .query("ipvsdrain_health_stance{SERVER}", &format!("{{{{stance}}}}: {SERVER}"))
            .words(&[("", "transparent"), ("so", "blue")])
            .colors("text", &[]),
            Panel::new(
                Kind::Lines,
                "Flapping",
                "How often a server failed lately. Old failures fade.",
            )
            .query("ipvsdrain_health_flap_level{SERVER}", SERVER)
            .colors("green", &[(3.0, "red")])
            .size(6, 7),
            Panel::new(
                Kind::Lines,
                "Hold-down",
                "For how long a server that failed must be well before it is put back.",
            )
            .query("ipvsdrain_health_hold_down_seconds{SERVER}", SERVER)
            .unit("s")
            .colors("green", &[(300.0, "orange")])
            .size(6, 7),
        ],
    }
}
