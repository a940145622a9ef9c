//! What each way harms against how long it takes, one panel per kind of traffic: the nearer to the lower left corner
//! the better. Pure.

use std::fmt::Write as _;

use super::plan::{CONTROL, STRATEGIES, TRAFFIC};
use super::record::Records;
use super::share::Group;

const COLUMNS: usize = 4;
const PANEL: (f64, f64) = (270.0, 280.0);
/// Of a panel: what is left of, above and below its plot.
const LEFT: f64 = 42.0;
const ABOVE: f64 = 30.0;
const BELOW: f64 = 92.0;
/// Below the plot: those that harmed nothing.
const BAND: f64 = 66.0;
const TOP: f64 = 60.0;
const LEGEND: f64 = 64.0;
const RADIUS: f64 = 7.5;
/// From one dot to the next one that it would hide.
const STEP: f64 = 2.0 * RADIUS;
/// What is not out by then is drawn at the right edge.
const LONGEST: f64 = 420.0;
/// The kernel's default.
const EXPIRES: u8 = 0;

/// One strategy under one kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dot {
    number: usize,
    /// None: not removed.
    seconds: Option<f64>,
    harm: f64,
}

fn named() -> impl Iterator<Item = (usize, &'static str)> {
    (1..).zip(STRATEGIES.into_iter().filter(|name| *name != CONTROL))
}

fn colour(strategy: &str) -> &'static str {
    match strategy.split('-').next() {
        Some("ipvsdrain") => "#1b7f4d",
        Some("keepalived") => "#2b5fad",
        Some("ldirectord") => "#7a4fa3",
        Some("counter") => "#8a6d00",
        _ => "#b2182b",
    }
}

fn dots(records: &Records, traffic: &str) -> Vec<Dot> {
    let dot = |(number, strategy)| {
        let group = Group::find(records, traffic, strategy, EXPIRES)?;
        Some(Dot {
            number,
            seconds: group.seconds_to_removal(),
            harm: group.harm(),
        })
    };
    named().filter_map(dot).collect()
}

/// An SVG of its own.
pub(super) fn draw(records: &Records) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a handful of panels")]
    let at = |place: usize| {
        let (column, line) = (place % COLUMNS, place / COLUMNS);
        (column as f64 * PANEL.0, TOP + line as f64 * PANEL.1)
    };
    let (_, last) = at(TRAFFIC.len() - 1);
    let (width, height) = (at(COLUMNS - 1).0 + PANEL.0, last + PANEL.1 + LEGEND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"24\" font-size=\"16\" font-weight=\"bold\">Harm against time, expire_nodest_conn = {EXPIRES} (the kernel's \
         default): lower left is best</text>\n\
         <text x=\"8\" y=\"44\" fill=\"#555\">Up: share of datagrams lost, connections broken, QUIC-like sessions broken or moved. Right: seconds from depool to removal; \
         at the dashed line: not removed within {LONGEST} s. Green: nothing harmed</text>\n"
    );
    for (place, traffic) in TRAFFIC.into_iter().enumerate() {
        panel(&mut svg, at(place), traffic, &dots(records, traffic));
    }
    let mut x = 12.0;
    let mut y = height - LEGEND + 22.0;
    for (number, strategy) in named() {
        if x > width - 170.0 {
            (x, y) = (12.0, y + 24.0);
        }
        mark(&mut svg, x + RADIUS, y, number);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{strategy}</text>",
            x + 22.0,
            y + 4.0
        );
        x += 178.0;
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, (left, top): (f64, f64), traffic: &str, dots: &[Dot]) {
    // The dots of those that are not removed need room beside the dashed line.
    let width = PANEL.0 - LEFT - 4.0 * RADIUS;
    let (x0, y0) = (left + LEFT, top + PANEL.1 - BELOW);
    let height = PANEL.1 - ABOVE - BELOW;
    let most = scale(dots);
    let _ = write!(
        svg,
        "<rect x=\"{x0}\" y=\"{y0}\" width=\"{}\" height=\"{BAND}\" fill=\"#e3f3e9\"/>\n\
         <text x=\"{x0}\" y=\"{}\" font-size=\"13\" font-weight=\"bold\">{traffic}</text>\n\
         <path d=\"M{x0} {} V{y0} H{}\" fill=\"none\" stroke=\"#888\"/>\n\
         <path d=\"M{} {} V{}\" stroke=\"#888\" stroke-dasharray=\"4 3\"/>\n",
        width + 2.0 * RADIUS,
        top + 18.0,
        top + ABOVE,
        x0 + width,
        x0 + width,
        top + ABOVE,
        y0 + BAND,
    );
    for part in [0.0, 0.5, 1.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\">{} %</text>",
            x0 - 5.0,
            y0 - part * height + 4.0,
            most * part * 100.0
        );
    }
    for seconds in [0.0, 120.0, 240.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{seconds} s</text>",
            x0 + seconds / LONGEST * width,
            y0 + BAND + 16.0
        );
    }
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for dot in dots {
        let seconds = dot.seconds.unwrap_or(LONGEST).min(LONGEST);
        let x = x0 + seconds / LONGEST * width;
        let harm = (dot.harm > 0.0).then_some(y0 - dot.harm / most * height);
        let y = free(&taken, x, harm, y0);
        taken.push((x, y));
        mark(svg, x, y, dot.number);
    }
}

/// Where a dot hides no other, as near as may be to where it belongs: above the line if anything was harmed, else below.
fn free(taken: &[(f64, f64)], x: f64, harm: Option<f64>, line: f64) -> f64 {
    let hides = |y: f64| {
        taken
            .iter()
            .any(|(other_x, other_y)| (x - other_x).hypot(y - other_y) < STEP)
    };
    let mut away = 0.0;
    loop {
        let places = match harm {
            Some(y) => vec![y - away, (y + away).min(line - RADIUS)],
            None => vec![line + RADIUS + 1.0 + away],
        };
        if let Some(y) = places.into_iter().find(|y| !hides(*y)) {
            return y;
        }
        away += 1.0;
    }
}

/// The top of the scale: the least round share that holds all.
fn scale(dots: &[Dot]) -> f64 {
    let most = dots.iter().map(|dot| dot.harm).fold(0.0, f64::max);
    let rounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
    rounds.into_iter().find(|round| most <= *round).unwrap_or(1.0)
}

fn mark(svg: &mut String, x: f64, y: f64, number: usize) {
    let strategy = named()
        .find(|(own, _)| *own == number)
        .map_or("", |(_, name)| name);
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" fill=\"{}\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
         font-size=\"9\" fill=\"#fff\">{number}</text>",
        colour(strategy),
        y + 3.2
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::record;

    #[test]
    fn the_scale_holds_all_dots_and_is_round() {
        let dot = |harm| Dot {
            number: 1,
            seconds: None,
            harm,
        };
        let of = |harm| scale(&[dot(0.0), dot(harm)]);
        for (harm, expected) in [(0.0, 0.01), (0.01, 0.01), (0.011, 0.02), (0.36, 0.5), (1.0, 1.0)] {
            assert!((of(harm) - expected).abs() < 1e-9, "{harm}: {}", of(harm));
        }
    }

    #[test]
    fn what_harmed_nothing_is_below_the_line_and_nothing_is_hidden() {
        let first = free(&[], 10.0, None, 100.0);
        let second = free(&[(10.0, first)], 10.0, None, 100.0);
        assert!(first > 100.0 && second >= first + STEP);
        let harmed = free(&[(10.0, 60.0)], 12.0, Some(60.0), 100.0);
        assert!(harmed < 100.0 && (harmed - 60.0).abs() > STEP / 2.0);
        assert!((free(&[], 0.0, Some(60.0), 100.0) - 60.0).abs() < 1e-9);
    }

    #[test]
    fn every_result_has_a_mark_and_every_strategy_is_in_the_legend() {
        let mut records = Records::default();
        for strategy in ["delete", "keepalived-reload", CONTROL] {
            records.take(record("6.1", "dns", strategy, None));
        }
        let svg = draw(&records);
        assert_eq!(svg.matches("<circle").count(), named().count() + 2);
        assert!(svg.contains("ldirectord-maintenance") && svg.ends_with("</svg>\n"));
    }
}
