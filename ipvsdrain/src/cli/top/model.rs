//! What `top` knows: the last answer of the daemon, the live flows of the last minutes, what is selected. Pure: samples
//! and keys go in, nothing is drawn.

use std::collections::{BTreeMap, VecDeque};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::api::{DrainView, HealthView, Says, ServerName, Status};
use crate::drain::Stance;
use crate::identity::{RealServer, VirtualService};

/// An answer of the daemon, or why there is none.
pub(super) type Sample = Result<Status, String>;

/// Three minutes.
pub(super) const KEPT: usize = 180;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum View {
    #[default]
    Table,
    Details,
    Help,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// The last answer there was.
    pub(super) status: Option<Status>,
    /// Why there is none now, and for how many samples.
    pub(super) gone: Option<(String, u32)>,
    pub(super) view: View,
    /// By name: its line moves when servers come and go.
    selected: Option<ServerName>,
    flows: BTreeMap<(VirtualService, RealServer), Samples>,
}

/// Live flows, the newest last; `None` while they were not known.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) VecDeque<Option<u64>>);

impl Samples {
    fn push(&mut self, live: Option<u64>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(live);
    }

    /// The most there were.
    pub(super) fn peak(&self) -> u64 {
        self.0.iter().flatten().copied().max().unwrap_or(0)
    }
}

/// A line of the table: a server that is in the kernel's table, or one that a drain took out of it.
#[derive(Debug)]
pub(super) struct Row<'model> {
    pub(super) name: ServerName,
    /// Weight, active and inactive connections; nothing once it is removed.
    pub(super) counts: Option<(u32, u32, u32)>,
    pub(super) state: String,
    pub(super) drain: Option<&'model DrainView>,
    pub(super) samples: Option<&'model Samples>,
}

impl Model {
    /// Takes an answer, or the lack of one: then the last one stays.
    pub(super) fn take(&mut self, sample: Sample) {
        match sample {
            Ok(status) => {
                self.gone = None;
                self.remember(&status);
                self.status = Some(status);
                if self.selected.is_none() {
                    self.select(0);
                }
            }
            Err(why) => {
                let times = self.gone.as_ref().map_or(0, |(_, times)| *times);
                self.gone = Some((why, times.saturating_add(1)));
            }
        }
    }

    fn remember(&mut self, status: &Status) {
        let unfinished = |drain: &&DrainView| !drain.over;
        let running: Vec<&DrainView> = status.drains.iter().filter(unfinished).collect();
        self.flows
            .retain(|key, _| running.iter().any(|drain| (drain.service, drain.server) == *key));
        for drain in running {
            let samples = self.flows.entry((drain.service, drain.server)).or_default();
            samples.push(drain.live.map(|live| live.total()));
        }
    }

    /// Takes a key; true if it ends the watch.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        let interrupts = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if interrupts => return true,
            KeyCode::Char('q') => return true,
            KeyCode::Char('?') => self.toggle(View::Help),
            KeyCode::Enter => self.toggle(View::Details),
            KeyCode::Esc => self.view = View::Table,
            KeyCode::Up | KeyCode::Char('k') => self.select(self.selected().saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.selected() + 1),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(usize::MAX),
            _ => {}
        }
        false
    }

    fn toggle(&mut self, view: View) {
        self.view = if self.view == view { View::Table } else { view };
    }

    /// The line of the selected server; the first while there is none, or it is gone.
    pub(super) fn selected(&self) -> usize {
        let rows = self.rows();
        let found = rows.iter().position(|row| Some(row.name) == self.selected);
        found.unwrap_or(0)
    }

    /// Selects the server on this line, or on the last one.
    fn select(&mut self, line: usize) {
        let rows = self.rows();
        let at = line.min(rows.len().saturating_sub(1));
        self.selected = rows.get(at).map(|row| row.name);
    }

    /// Those in the kernel's table, in its order, then those that are out of it by a drain.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let Some(status) = &self.status else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for service in &status.services {
            for server in &service.servers {
                let name = ServerName {
                    service: service.service,
                    server: server.server,
                };
                let weight = server.configuration.weight;
                let drain = self.drain(&name).filter(|drain| !drain.state.is_final());
                let undrained = || {
                    let word = status.journal.word_without_drain(weight);
                    // Nobody's failure changes whose weight it is.
                    let failing = (weight > 0).then(|| failing(status, &name)).flatten();
                    failing.unwrap_or(word).to_owned()
                };
                let state = drain.map_or_else(undrained, word);
                rows.push(self.row(name, Some((weight, server.active, server.inactive)), state, drain));
            }
        }
        for drain in &status.drains {
            let name = ServerName {
                service: drain.service,
                server: drain.server,
            };
            if rows.iter().all(|row: &Row<'_>| row.name != name) {
                rows.push(self.row(name, None, word(drain), Some(drain)));
            }
        }
        rows
    }

    fn row<'model>(
        &'model self,
        name: ServerName,
        counts: Option<(u32, u32, u32)>,
        state: String,
        drain: Option<&'model DrainView>,
    ) -> Row<'model> {
        Row {
            name,
            counts,
            state,
            drain,
            samples: self.flows.get(&(name.service, name.server)),
        }
    }

    fn drain(&self, name: &ServerName) -> Option<&DrainView> {
        let drains = &self.status.as_ref()?.drains;
        let of = |drain: &&DrainView| (drain.service, drain.server) == (name.service, name.server);
        drains.iter().rev().find(of)
    }

    /// The drains to be shown with their progress, those under way first.
    pub(super) fn drains(&self) -> Vec<(&DrainView, Option<&Samples>)> {
        let all = self.status.iter().flat_map(|status| &status.drains);
        let mut drains: Vec<_> = all
            .map(|drain| (drain, self.flows.get(&(drain.service, drain.server))))
            .collect();
        drains.sort_by_key(|(drain, _)| drain.over);
        drains
    }
}

/// What a server that takes new flows and fails is called.
fn failing(status: &Status, name: &ServerName) -> Option<&'static str> {
    let of = |health: &&HealthView| (health.service, health.server) == (name.service, name.server);
    let health = status.health.iter().find(of)?;
    match (&health.stance, health.verdict) {
        (Stance::Needed(_), _) => Some("failing/needed"),
        (Stance::AllFail, _) => Some("all fail"),
        (_, Says::Down) => Some("failing"),
        (_, Says::Up | Says::Unknown) => None,
    }
}

fn word(drain: &DrainView) -> String {
    let held = if drain.held.is_some() && !drain.over {
        ", held"
    } else {
        ""
    };
    format!("{}{held}", drain.state)
}
