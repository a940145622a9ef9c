//! Older journals become today's, or stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema::VERSION;
use super::{Filter, Journal, JournalError};
use crate::drain::State;

/// One for each version but the present one, from version 1 on.
const FIXTURES: [&str; VERSION - 1] = [include_str!("fixtures/version_1.sql")];

pub(super) fn make(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn tables(path: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .unwrap();
    let text = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    query
        .query_map([], |row| Ok((row.get(0)?, text(row.get(1)?))))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn version(path: &Path) -> usize {
    Connection::open(path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn every_older_version_becomes_this_one_with_all_its_drains() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new");
    drop(Journal::open(&new).unwrap());
    for (number, fixture) in FIXTURES.iter().enumerate() {
        let path = folder.path().join(format!("version_{}", number + 1));
        make(&path, fixture);
        let journal = Journal::open(&path).unwrap();
        let latest = journal.latest().unwrap();
        let found: Vec<_> = latest
            .iter()
            .map(|record| (record.id, record.state, record.before.weight))
            .collect();
        assert_eq!(found, [(2, State::Restored, 7), (3, State::Draining, 5)]);
        let owed = latest
            .iter()
            .map(|record| record.borrowed.expire_nodest.map(|loan| loan.before));
        assert_eq!(
            owed.collect::<Vec<_>>(),
            [None, Some(false)],
            "what is owed is never forgotten"
        );
        let since = |from| Filter {
            from: Some(from),
            ..Filter::default()
        };
        let ids = |from| -> Vec<u64> {
            let found = journal.history(&since(from)).unwrap();
            found.iter().map(|record| record.id).collect()
        };
        assert_eq!(ids(1_790_000_000), [3, 2, 1]);
        assert_eq!(ids(1_790_000_101), [3], "the times came along");
        drop(journal);
        assert_eq!(version(&path), VERSION);
        assert_eq!(tables(&path), tables(&new));
        drop(Journal::open(&path).unwrap());
    }
}

/// A file that is refused, for this reason, and keeps its bytes.
fn refused(sql: &str) -> (PathBuf, tempfile::TempDir, JournalError) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    make(&path, sql);
    let before = fs::read(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(fs::read(&path).unwrap() == before, "{error}");
    assert!(error.lasts(), "{error}");
    (path, folder, error)
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let in_the_way = format!("{} CREATE INDEX drains_began ON drains(state);", FIXTURES[0]);
    let (path, _folder, error) = refused(&in_the_way);
    assert!(
        error
            .to_string()
            .contains("bring its tables to this version failed"),
        "{error}"
    );
    assert_eq!(version(&path), 1);
}

#[test]
fn a_drain_that_cannot_be_read_stops_the_migration_too() {
    let unreadable = format!("{} UPDATE drains SET record = '{{}}' WHERE id = 3;", FIXTURES[0]);
    let (path, _folder, error) = refused(&unreadable);
    assert!(matches!(error, JournalError::Record { id: 3, .. }), "{error}");
    assert_eq!(version(&path), 1);
}

#[test]
fn a_newer_journal_and_that_of_another_program_are_refused() {
    let newer = format!("{} PRAGMA user_version = 99;", FIXTURES[0]);
    let said = refused(&newer).2.to_string();
    for part in ["a newer ipvsdrain", "version 99", "weight 0"] {
        assert!(said.contains(part), "{said}");
    }
    for foreign in ["", "PRAGMA user_version = -5;"] {
        let error = refused(&format!("CREATE TABLE letters(id); {foreign}")).2;
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
    }
}
