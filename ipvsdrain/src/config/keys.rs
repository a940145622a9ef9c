//! Which keys the file may have, and on which line each stands.
//!
//! The known ones are those of the default configuration as they would be written out: there is no second list of them to
//! keep. Whether a value makes sense is the rules' own to say; here is only found which key has it.

use std::fmt;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::settings::{Hook, Settings};
use crate::check::Check;
use crate::drain::{Changes, Match, Policy, PolicyError, Rules};

/// Alike enough to be what was meant: the bar that the command line has for its own words.
const ALIKE: f64 = 0.8;

/// A table whose keys are names that people choose.
const NAMES: [&str; 2] = ["web", "users"];

/// A key in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    line: usize,
    /// From the outermost table inwards; an element of an array is its number.
    path: Vec<String>,
}

/// A key that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    place: Place,
    nearest: Option<String>,
    known: Vec<String>,
}

/// The first key in the file that is not known. A file that is no TOML has none.
pub(super) fn unknown(text: &str) -> Option<Unknown> {
    let known = known().ok()?;
    let mut found: Vec<Unknown> = places(text)
        .into_iter()
        .filter_map(|place| place.unknown_in(&known))
        .collect();
    found.sort_by_key(|unknown| unknown.place.line);
    found.into_iter().next()
}

/// The key that makes the same error of any policy; `None` if it takes more than one.
pub(super) fn at_fault(text: &str, rules: &Rules, error: &PolicyError) -> Option<Place> {
    let values = serde_json::to_value(rules).ok()?;
    let alone = |place: &Place| {
        let value = values.pointer(&format!("/{}", place.path.join("/")))?;
        let (field, inner) = place.in_policy()?.split_first()?;
        let whole = inner
            .iter()
            .rev()
            .fold(value.clone(), |value, key| json!({ key: value }));
        Changes::default()
            .with(field, Some(whole))
            .apply(&Policy::default())
            .err()
    };
    // The innermost one: a table fails by what is in it.
    let at_fault = |place: &Place| alone(place).as_ref() == Some(error);
    places(text)
        .into_iter()
        .filter(at_fault)
        .max_by_key(|place| place.path.len())
}

/// Where the key stands that these words lead to, an element of an array being its number. Where it is not in the file, the
/// innermost table is shown that is: an element of an array by the line of its first key.
pub(super) fn place_of(text: &str, path: &[String]) -> Option<Place> {
    let places = places(text);
    let at = |path: &[String]| {
        let exact = places.iter().find(|place| place.path == path);
        let within = || {
            let within = places.iter().filter(|place| place.path.starts_with(path));
            within.min_by_key(|place| place.line)
        };
        let line = exact.or_else(within)?.line;
        let path = path.to_vec();
        Some(Place { line, path })
    };
    (1..=path.len()).rev().find_map(|length| at(path.get(..length)?))
}

/// The keys of a file as people write them.
#[cfg(test)]
pub(super) fn paths(text: &str) -> Vec<String> {
    places(text).iter().map(Place::key).collect()
}

/// All keys that there may be.
#[cfg(test)]
pub(super) fn every_path() -> Vec<String> {
    fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    paths.push(path.clone());
                    collect(value, &path, paths);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, path, paths)),
            _ => {}
        }
    }
    let mut paths = Vec::new();
    collect(&known().unwrap(), "", &mut paths);
    paths
}

/// A configuration in which every key that there may be is set.
fn known() -> serde_json::Result<Value> {
    let policy = serde_json::to_value(Policy::default())?;
    let short = |name: &str| policy.get(name).cloned().unwrap_or_default();
    let (floor, failure) = (short("floor"), short("failure"));
    let rule = json!({ "match": serde_json::to_value(Match::default())?, "policy": policy });
    let mut rules = serde_json::to_value(Rules::default())?;
    if let Value::Object(rules) = &mut rules {
        rules.insert("policy".to_owned(), policy);
        rules.insert("floor".to_owned(), floor);
        rules.insert("failure".to_owned(), failure);
        rules.insert("service".to_owned(), json!([rule]));
        let settings = Settings {
            hook: vec![Hook::default()],
            check: vec![Check::with_every_key()],
            ..Settings::default()
        };
        if let Value::Object(settings) = serde_json::to_value(settings)? {
            rules.extend(settings);
        }
    }
    Ok(rules)
}

/// All keys of the file, outer ones before those within.
fn places(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        table_places(text, table.get_ref(), &[], &mut places);
    }
    places
}

fn table_places(text: &str, table: &DeTable<'_>, path: &[String], places: &mut Vec<Place>) {
    for (key, value) in table {
        let path = [path, &[key.get_ref().to_string()]].concat();
        let before = text.get(..key.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        places.push(Place {
            line,
            path: path.clone(),
        });
        value_places(text, value.get_ref(), &path, places);
    }
}

fn value_places(text: &str, value: &DeValue<'_>, path: &[String], places: &mut Vec<Place>) {
    match value {
        DeValue::Table(table) => table_places(text, table, path, places),
        DeValue::Array(array) => {
            for (number, value) in array.iter().enumerate() {
                let path = [path, &[number.to_string()]].concat();
                value_places(text, value.get_ref(), &path, places);
            }
        }
        _ => {}
    }
}

impl Place {
    /// What it is called in a policy, if it is part of one.
    fn in_policy(&self) -> Option<&[String]> {
        let words: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["policy", ..] => self.path.get(1..),
            ["service", _, "policy", ..] => self.path.get(3..),
            ["floor" | "failure" | "other_hands", ..] => Some(&self.path),
            _ => None,
        }
    }

    /// `None` as well where the key stands in a table that is not known itself.
    fn unknown_in(self, known: &Value) -> Option<Unknown> {
        let (key, outer) = self.path.split_last()?;
        if outer == NAMES {
            return None;
        }
        let table = outer.iter().try_fold(known, |known, word| match known {
            Value::Object(table) => table.get(word),
            Value::Array(elements) => elements.first(),
            _ => None,
        });
        let table = table.and_then(Value::as_object)?;
        let nearest = nearest(key, table);
        (!table.contains_key(key)).then(|| Unknown {
            nearest,
            known: table.keys().cloned().collect(),
            place: self,
        })
    }

    /// As people write it: without the numbers of array elements.
    fn key(&self) -> String {
        let is_word = |word: &&String| word.parse::<usize>().is_err();
        let words: Vec<&str> = self.path.iter().filter(is_word).map(String::as_str).collect();
        words.join(".")
    }
}

fn nearest(key: &str, table: &Map<String, Value>) -> Option<String> {
    let likeness = |known: &String| strsim::jaro(key, known);
    let nearest = table.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) > ALIKE).then(|| nearest.clone())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.key())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: unknown key `{}`: ",
            self.place.line,
            self.place.key()
        )?;
        match &self.nearest {
            Some(nearest) => write!(f, "did you mean `{nearest}`?"),
            None if self.known.is_empty() => write!(f, "none is known here"),
            None => write!(f, "known here are {}", self.known.join(", ")),
        }
    }
}
