//! Which transitions are new, and how they are told. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::DrainView;
use crate::drain::{Record, State};
use crate::identity::{RealServer, VirtualService};

/// What a hook reads on its standard input.
#[derive(Debug, Clone, Serialize)]
pub(super) struct News {
    pub(super) event: &'static str,
    pub(super) service: VirtualService,
    pub(super) server: RealServer,
    pub(super) from: State,
    pub(super) to: State,
    pub(super) why: String,
    /// The drain as it stands now, which may be a transition later.
    pub(super) drain: DrainView,
}

impl News {
    pub(super) fn json(&self) -> String {
        // Plain data with text keys: it can always be written out.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// How many transitions of each drain were told.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<u64, usize>);

impl Told {
    /// The transitions since last time, oldest first within a drain.
    pub(super) fn news(&mut self, records: &[Record]) -> Vec<News> {
        let mut news = Vec::new();
        for record in records {
            let known = self.0.insert(record.id, record.transitions.len()).unwrap_or(0);
            news.extend(record.transitions.iter().skip(known).map(|step| News {
                event: "transition",
                service: record.service,
                server: record.server,
                from: step.from,
                to: step.to,
                why: step.why.clone(),
                drain: DrainView::from(record),
            }));
        }
        self.0
            .retain(|id, _| records.iter().any(|record| record.id == *id));
        news
    }
}
