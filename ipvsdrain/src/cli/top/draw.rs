//! Makes a frame of the model: a head line, the table, the drains with their progress, the keys. Pure but for the frame.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table, TableState, Wrap};

use super::model::{Model, Samples, View};
use crate::api::{DrainView, Status};
use crate::cli::explain;
use crate::drain::{Rung, State};

const KEYS: &str = " q quit   arrows select   enter explain   ? help";
const HELP: [&str; 14] = [
    "q, ctrl-c    quit",
    "up, down     select a server",
    "home, end    the first, the last",
    "enter        explain the selected server: why it is not removed yet, and what comes next",
    "esc          back to the table",
    "?            this page",
    "",
    "Live flows are counted only for servers that are being drained: nothing is attached to the kernel while none is. \
     For the others ACTIVE and INACTIVE are what the kernel counts; they lag behind the last packet by minutes.",
    "",
    "foreign      at weight 0, and not by ipvsdrain",
    "failing      by its health; failing/needed, all fail: nothing is done about it, enter says why",
    "held         it does not go on; the line below its bar says why, and what to do",
    "?            live flows that are not known",
    "-            live flows that cannot be counted here",
];
/// Below this width the sparklines and the kernel's counts are left out.
const WIDE: u16 = 84;
const SPARK: u16 = 20;

pub(super) fn frame(frame: &mut Frame<'_>, model: &Model) {
    let drains = u16::try_from(model.drains().len()).unwrap_or(u16::MAX);
    let below = if model.view == View::Table && drains > 0 {
        (drains.saturating_mul(2) + 1).min(frame.area().height / 2)
    } else {
        0
    };
    let areas = Layout::vertical([
        Constraint::Length(head_lines(model)),
        Constraint::Min(1),
        Constraint::Length(below),
        Constraint::Length(1),
    ]);
    let [head, main, progress, keys] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(head_text(model)).wrap(Wrap { trim: false }), head);
    match model.view {
        View::Help => page(frame, main, "help", HELP.map(str::to_owned).to_vec()),
        View::Details => page(frame, main, "why", details(model)),
        View::Table => {
            table(frame, main, model);
            gauges(frame, progress, model);
        }
    }
    frame.render_widget(Paragraph::new(KEYS).dim(), keys);
}

fn head_lines(model: &Model) -> u16 {
    if model.gone.is_some() { 3 } else { 1 }
}

fn head_text(model: &Model) -> Vec<Line<'static>> {
    let mut lines = vec![match &model.status {
        Some(status) => Line::from(at_a_glance(status)).bold(),
        None if model.gone.is_some() => Line::from(" ipvsdrain").bold(),
        None => Line::from(" ipvsdrain: asking the daemon").bold(),
    }];
    if let Some((why, times)) = &model.gone {
        let stale = if model.status.is_some() {
            "; below is what it said last"
        } else {
            ""
        };
        lines.push(Line::from(format!(" no answer, attempt {times}{stale}: {why}")).reversed());
    }
    lines
}

fn at_a_glance(status: &Status) -> String {
    let servers: usize = status.services.iter().map(|service| service.servers.len()).sum();
    let running = status.drains.iter().filter(|drain| !drain.over).count();
    let journal = if status.journal.ok {
        ""
    } else {
        "   THE JOURNAL DOES NOT WORK: nothing is begun, changed or removed"
    };
    format!(
        " ipvsdrain   services {}   servers {servers}   drains under way {running}{journal}",
        status.services.len()
    )
}

fn table(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let rows = model.rows();
    if rows.is_empty() {
        let said = if model.status.is_some() {
            " There is no real server in the table of this kernel."
        } else {
            ""
        };
        frame.render_widget(Paragraph::new(said), area);
        return;
    }
    let is_wide = area.width >= WIDE;
    let shown = |cells: [String; 8]| {
        let kept = cells
            .into_iter()
            .enumerate()
            .filter(|(column, _)| is_wide || ![3, 4, 7].contains(column));
        Row::new(kept.map(|(_, cell)| cell).collect::<Vec<_>>())
    };
    let header = [
        "SERVICE",
        "SERVER",
        "WEIGHT",
        "ACTIVE",
        "INACTIVE",
        "STATE",
        "LIVE",
        "LAST 3 MIN",
    ];
    let body = rows.iter().map(|row| {
        let count = |pick: fn((u32, u32, u32)) -> u32| {
            row.counts
                .map_or_else(|| "-".to_owned(), |counts| pick(counts).to_string())
        };
        shown([
            row.name.service.to_string(),
            row.name.server.to_string(),
            count(|counts| counts.0),
            count(|counts| counts.1),
            count(|counts| counts.2),
            row.state.clone(),
            row.drain.map(live).unwrap_or_default(),
            row.samples
                .map(|samples| spark(samples, SPARK))
                .unwrap_or_default(),
        ])
    });
    let width = |pick: fn(&super::model::Row<'_>) -> String| {
        let longest = rows
            .iter()
            .map(|row| pick(row).chars().count())
            .max()
            .unwrap_or(0);
        Constraint::Max(u16::try_from(longest.max(7)).unwrap_or(u16::MAX))
    };
    let mut widths = vec![
        width(|row| row.name.service.to_string()),
        width(|row| row.name.server.to_string()),
        Constraint::Length(6),
    ];
    if is_wide {
        widths.extend([Constraint::Length(6), Constraint::Length(8)]);
    }
    widths.extend([Constraint::Length(14), Constraint::Length(5)]);
    if is_wide {
        widths.push(Constraint::Length(SPARK));
    }
    let table = Table::new(body, widths)
        .header(shown(header.map(str::to_owned)).style(Style::new().add_modifier(Modifier::DIM)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol(">");
    let mut state = TableState::new().with_selected(model.selected());
    frame.render_stateful_widget(table, area, &mut state);
}

/// As in `status`, in the width of a number.
fn live(drain: &DrainView) -> String {
    match (drain.live, drain.rung) {
        _ if drain.over => String::new(),
        (Some(live), _) => live.total().to_string(),
        (None, Some(Rung::Counters)) => "-".to_owned(),
        (None, _) => "?".to_owned(),
    }
}

/// The newest at the right; each column is the most of its span, a blank one is unknown.
fn spark(samples: &Samples, width: u16) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<Option<u64>> = samples.0.iter().copied().collect();
    let peak = samples.peak().max(1);
    let span = values.len().div_ceil(usize::from(width)).max(1);
    values
        .rchunks(span)
        .rev()
        .map(|chunk| match chunk.iter().flatten().max() {
            None => ' ',
            Some(most) => {
                BARS[usize::try_from(most.saturating_mul(7).div_ceil(peak))
                    .unwrap_or(7)
                    .min(7)]
            }
        })
        .collect()
}

/// Two lines for each drain: how many of its flows are gone, and why it stands where it does.
fn gauges(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    if area.height == 0 {
        return;
    }
    let block = Block::new()
        .borders(ratatui::widgets::Borders::TOP)
        .title(" drains ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = inner.rows().collect::<Vec<_>>();
    for ((drain, samples), lines) in model.drains().into_iter().zip(lines.chunks(2)) {
        let (done, label) = progress(drain, samples);
        let name = format!("{} {} ", drain.service, drain.server);
        let wide = u16::try_from(name.chars().count())
            .unwrap_or(u16::MAX)
            .min(lines[0].width / 2);
        let [left, right] =
            Layout::horizontal([Constraint::Length(wide), Constraint::Min(1)]).areas(lines[0]);
        frame.render_widget(Paragraph::new(name), left);
        frame.render_widget(Gauge::default().ratio(done).label(label), right);
        if let Some(below) = lines.get(1) {
            frame.render_widget(Paragraph::new(format!("  {}", standing(drain))), *below);
        }
    }
}

/// The share of its flows that is gone.
fn progress(drain: &DrainView, samples: Option<&Samples>) -> (f64, String) {
    let state = drain.state;
    if state.is_final() || drain.kept || matches!(state, State::Drained | State::Quiet) {
        return (1.0, state.to_string());
    }
    let (Some(live), Some(samples)) = (drain.live, samples) else {
        return (0.0, state.to_string());
    };
    let (live, peak) = (live.total(), samples.peak().max(live.total()));
    if peak == 0 {
        return (1.0, format!("{state}: no flow is live"));
    }
    #[allow(clippy::cast_precision_loss, reason = "a bar on a screen")]
    let gone = (peak - live) as f64 / peak as f64;
    (gone, format!("{state}: {live} of {peak} flows are live"))
}

/// Why it stands where it does, in one line.
fn standing(drain: &DrainView) -> String {
    if let Some(verdict) = &drain.verdict {
        return verdict.clone();
    }
    if let Some(held) = &drain.held {
        return format!("held: {held}");
    }
    let overdue = if drain.overdue { "overdue; " } else { "" };
    match drain.transitions.last() {
        Some(last) => format!("{overdue}{}", last.why),
        None => format!("{overdue}asked for"),
    }
}

fn details(model: &Model) -> Vec<String> {
    let rows = model.rows();
    let (Some(row), Some(status)) = (rows.get(model.selected()), &model.status) else {
        return vec!["Nothing is selected.".to_owned()];
    };
    explain::sentences(status, &row.name, row.drain)
}

fn page(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<String>) {
    let text: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    let block = Block::bordered().title(format!(" {title} "));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), area);
}
