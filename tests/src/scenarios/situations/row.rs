//! One row of the table: its name, where it plays, and what is done there.

use anyhow::Result;
use serde_json::{Value, json};

use super::setting::{Case, Setting};

/// A situation. What is done ends with [`Case::judge`].
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) setting: Setting,
    pub(super) play: fn(&mut Case<'_>) -> Result<()>,
}

impl Row {
    pub(super) fn new(name: &'static str, setting: Setting, play: fn(&mut Case<'_>) -> Result<()>) -> Self {
        Self { name, setting, play }
    }

    /// Plays it: `{"row", "ok", "expected", "seen", "sent", "lost", "unanswered", "seconds", "limit", "trouble"}`.
    pub(super) fn run(&self) -> Value {
        match self.setting.lay(self.play) {
            Ok(mut told) => {
                told["row"] = json!(self.name);
                told
            }
            Err(error) => json!({"row": self.name, "ok": false, "trouble": format!("{error:#}")}),
        }
    }
}
