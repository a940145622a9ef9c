//! The results as one picture: strategies down, traffic across, one panel per setting. Pure.

use std::fmt::Write as _;

use super::plan::{CONTROL, STRATEGIES, TRAFFIC};
use super::record::Records;
use super::share::Group;

const WIDTH: usize = 92;
const HEIGHT: usize = 34;
const LABELS: usize = 176;
const TOP: usize = 96;
const PANEL_GAP: usize = 64;

/// How a cell looks.
#[derive(Debug, PartialEq)]
struct Look {
    fill: &'static str,
    ink: &'static str,
    /// As XML takes it.
    harm: String,
    time: String,
}

const GOOD: &str = "#1b7f4d";
const WAITS: &str = "#bfe3cf";
const HARMS: [(f64, &str, &str); 3] = [
    (0.02, "#fbd5bf", "#222"),
    (0.15, "#ef8a62", "#222"),
    (f64::INFINITY, "#b2182b", "#fff"),
];

fn look(group: Option<&Group>) -> Look {
    let Some(group) = group else {
        return Look {
            fill: "#eee",
            ink: "#888",
            harm: "–".to_owned(),
            time: String::new(),
        };
    };
    let harm = group.harm();
    let seconds = group.seconds_to_removal();
    let time = seconds.map_or_else(|| "not removed".to_owned(), |seconds| format!("{seconds:.0} s"));
    if harm == 0.0 {
        let (fill, ink) = if seconds.is_some() {
            (GOOD, "#fff")
        } else {
            (WAITS, "#222")
        };
        return Look {
            fill,
            ink,
            harm: "nothing".to_owned(),
            time,
        };
    }
    let (_, fill, ink) = HARMS
        .into_iter()
        .find(|(least, ..)| harm < *least)
        .unwrap_or(HARMS[2]);
    let percent = harm * 100.0;
    Look {
        fill,
        ink,
        harm: match percent {
            percent if percent < 0.1 => "&lt; 0.1 %".to_owned(),
            percent if percent < 10.0 => format!("{percent:.1} %"),
            percent => format!("{percent:.0} %"),
        },
        time,
    }
}

/// An SVG of its own.
pub(super) fn draw(records: &Records) -> String {
    let strategies: Vec<&str> = STRATEGIES.into_iter().filter(|name| *name != CONTROL).collect();
    let panel = TOP + HEIGHT * strategies.len();
    let (width, height) = (LABELS + WIDTH * TRAFFIC.len() + 16, 2 * panel + PANEL_GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (number, expires) in (0..).zip([0_u8, 1]) {
        let top = number * panel;
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{}\" font-size=\"16\" font-weight=\"bold\">What taking a server out harms, and when it is \
             out: expire_nodest_conn = {expires}{}</text>",
            top + 28,
            if expires == 0 {
                " (the kernel's default)"
            } else {
                ""
            }
        );
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{}\" fill=\"#555\">Share of datagrams lost, of connections broken, of QUIC-like sessions \
             broken or moved, in some 8 minutes; the worst over kernels and forwarding</text>",
            top + 48
        );
        for (column, traffic) in (0..).zip(TRAFFIC) {
            let x = LABELS + column * WIDTH + WIDTH / 2;
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{traffic}</text>",
                top + TOP - 10
            );
        }
        for (line, strategy) in (0..).zip(&strategies) {
            let y = top + TOP + line * HEIGHT;
            let weight = if strategy.starts_with("ipvsdrain") {
                "bold"
            } else {
                "normal"
            };
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-weight=\"{weight}\">{strategy}</text>",
                LABELS - 10,
                y + HEIGHT / 2 + 4
            );
            for (column, traffic) in (0..).zip(TRAFFIC) {
                let group = Group::find(records, traffic, strategy, expires);
                cell(&mut svg, LABELS + column * WIDTH, y, &look(group.as_ref()));
            }
        }
    }
    legend(&mut svg, height - PANEL_GAP + 24);
    svg + "</svg>\n"
}

fn cell(svg: &mut String, x: usize, y: usize, look: &Look) {
    let Look {
        fill,
        ink,
        harm,
        time,
    } = look;
    let middle = x + WIDTH / 2;
    let _ = writeln!(
        svg,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"{fill}\"/>\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{harm}</text>\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{ink}\">{time}</text>",
        x + 1,
        y + 1,
        WIDTH - 2,
        HEIGHT - 2,
        y + 15,
        y + 28
    );
}

fn legend(svg: &mut String, y: usize) {
    let entries = [
        (GOOD, "nothing harmed, server out"),
        (WAITS, "nothing harmed, server not out after 7 minutes"),
        (HARMS[0].1, "below 2 %"),
        (HARMS[1].1, "below 15 %"),
        (HARMS[2].1, "more"),
    ];
    let mut x = 8;
    for (fill, text) in entries {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" rx=\"2\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"{}\">{text}</text>",
            x + 20,
            y + 12
        );
        x += 48 + text.len() * 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::{cost, record};

    #[test]
    fn a_cell_says_what_was_harmed_and_when_the_server_was_out() {
        let mut records = Records::default();
        records.take(record("6.1", "dns", "delete", None));
        for (strategy, seconds) in [("ipvsdrain-migrate", Some(12.4)), ("ipvsdrain", None)] {
            let mut record = record("6.1", "dns", strategy, None);
            record.cost = Some(cost(100, 0, seconds));
            records.take(record);
        }
        let of = |strategy| {
            let look = look(Group::find(&records, "dns", strategy, 0).as_ref());
            (look.harm, look.time, look.fill)
        };
        let expected = |harm: &str, time: &str, fill| (harm.to_owned(), time.to_owned(), fill);
        assert_eq!(of("delete"), expected("7.0 %", "10 s", HARMS[1].1));
        assert_eq!(of("ipvsdrain-migrate"), expected("nothing", "12 s", GOOD));
        assert_eq!(of("ipvsdrain"), expected("nothing", "not removed", WAITS));
        assert_eq!(of("counter-poll").0, "–");
        let svg = draw(&records);
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert!(svg.contains("7.0 %"));
    }
}
