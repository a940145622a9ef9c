//! What was expected beside what was seen, by name. Pure.

use serde_json::{Map, Value};

/// The facts of one row, in the order in which they were found.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    expected: Map<String, Value>,
    seen: Map<String, Value>,
}

impl Facts {
    /// One more fact.
    pub(super) fn add(&mut self, what: &str, expected: impl Into<Value>, seen: impl Into<Value>) {
        self.expected.insert(what.to_owned(), expected.into());
        self.seen.insert(what.to_owned(), seen.into());
    }

    /// A text that has to contain `word`: where it does the word alone is shown, else the whole of it.
    pub(super) fn says(&mut self, what: &str, word: &str, text: Option<&str>) {
        let seen = match text {
            Some(text) if text.to_lowercase().contains(word) => word,
            Some(text) => text,
            None => "nothing",
        };
        self.add(what, word, seen);
    }

    pub(super) fn hold(&self) -> bool {
        self.expected == self.seen
    }

    pub(super) fn expected(&self) -> Value {
        Value::Object(self.expected.clone())
    }

    pub(super) fn seen(&self) -> Value {
        Value::Object(self.seen.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fact_that_differs_is_enough() {
        let mut facts = Facts::default();
        facts.add("lost", 0, 0);
        facts.says("held", "pinned", Some("held by Pinned flows"));
        assert!(facts.hold());
        facts.says("why", "floor", None);
        assert!(!facts.hold());
        assert_eq!(facts.seen()["why"], "nothing");
        assert_eq!(facts.seen()["held"], "pinned");
    }
}
