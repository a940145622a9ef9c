//! What is no journal is refused, says why, and keeps its bytes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;

use super::place::log_of;
use super::{Journal, JournalError, strain};
use crate::drain::Record;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::supervisor_tests::{block_on, request, start};

/// A journal of many pages; its bytes.
fn whole() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let record = block_on(start(&FakeKernel::new(), &path).begin(&request())).unwrap();
    let mut journal = Journal::open(&path).unwrap();
    for _ in 0..30 {
        journal
            .save(&Record {
                id: 0,
                ..record.clone()
            })
            .unwrap();
    }
    drop(journal);
    fs::read(&path).unwrap()
}

/// A journal of these bytes, with the folder it lies in: SQLite looks for its file again.
fn open(bytes: &[u8]) -> Result<(tempfile::TempDir, Journal), JournalError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fs::write(&path, bytes).unwrap();
    let opened = Journal::open(&path);
    if let Err(error) = &opened {
        assert!(fs::read(&path).unwrap() == bytes, "refused and changed: {error}");
        let said = error.to_string();
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
    opened.map(|journal| (folder, journal))
}

#[test]
fn a_damaged_journal_is_told_from_one_that_is_whole() {
    let whole = whole();
    assert!(whole.len() > 8 * 4096);
    let (_folder, journal) = open(&whole).unwrap();
    assert_eq!(journal.latest().unwrap().len(), 1);
    let mut header = whole.clone();
    header[..16].fill(b'?');
    let mut page = whole.clone();
    page[5 * 4096..6 * 4096].fill(0xff);
    let cut = &whole[..whole.len() - 4096 - 7];
    for (what, bytes) in [
        ("header", &header[..]),
        ("page", &page[..]),
        ("truncated", cut),
        ("text", &b"not a database, however long this may be"[..]),
        ("zeros", &[0; 8192][..]),
    ] {
        let error = open(bytes).expect_err(what);
        let said = error.to_string();
        assert!(error.lasts(), "{what}: {said}");
        for part in ["left as it is", "move it away", "weight 0", "`ipvsdrain status`"] {
            assert!(said.contains(part), "{what}: {said}");
        }
    }
}

#[test]
fn what_cannot_be_reached_names_the_errno_and_may_heal() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |path: &Path, errno: &str| {
        let error = Journal::open(path).expect_err(errno);
        let said = error.to_string();
        assert!(
            said.contains(errno) && said.contains("--state") && !error.lasts(),
            "{said}"
        );
    };
    fault(folder.path(), "Is a directory");
    fault(&folder.path().join("missing/journal"), "No such file");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fault(&file.join("journal"), "Not a directory");
}

#[test]
fn a_read_only_journal_is_found_out_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(Journal::open(&path).unwrap());
    strain::set(strain::READ_ONLY);
    let error = Journal::open(&path).unwrap_err();
    assert!(
        error.to_string().contains("readonly") && error.to_string().contains("writable"),
        "{error}"
    );
    assert!(!error.lasts());
    strain::set("");
    drop(Journal::open(&path).unwrap());
}

#[test]
fn a_log_without_its_journal_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fs::write(log_of(&path), "what was not in the file yet").unwrap();
    for has_file in [false, true] {
        if has_file {
            fs::write(&path, "").unwrap();
        }
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::OnlyLog { .. }), "{error}");
        assert!(fs::metadata(log_of(&path)).unwrap().len() > 0);
    }
}

#[test]
fn every_commit_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal")).unwrap();
    let pragma = |name: &str| -> String {
        let query = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        journal
            .connection
            .query_row(&query, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2", "FULL");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_make_a_panic_and_only_none_make_an_empty_journal(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        match open(&bytes) {
            Ok((_folder, journal)) => prop_assert!(bytes.is_empty() && journal.latest().unwrap().is_empty()),
            Err(error) => prop_assert!(error.lasts(), "{error}"),
        }
    }

    #[test]
    fn no_damage_makes_a_panic(
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..64),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        thread_local!(static WHOLE: Vec<u8> = whole());
        let mut damaged = WHOLE.with(Clone::clone);
        let at = place.index(damaged.len());
        let end = damaged.len().min(at + bytes.len());
        damaged[at..end].copy_from_slice(&bytes[..end - at]);
        if let Some(length) = length {
            damaged.truncate(length.index(damaged.len()));
        }
        // Damage within free space or old text may go unseen: then it is read, and written, as any other.
        if let Ok((_folder, mut journal)) = open(&damaged) {
            for record in journal.latest().unwrap() {
                drop(journal.save(&record));
            }
            drop(journal.history(&super::Filter::default()));
        }
    }
}

#[test]
fn damage_behind_the_back_of_an_open_journal_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fs::write(&path, whole()).unwrap();
    let mut journal = Journal::open(&path).unwrap();
    let record = journal.latest().unwrap().remove(0);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xa5; 16 * 4096], 0).unwrap();
    for _ in 0..50 {
        drop(journal.save(&Record {
            id: 0,
            ..record.clone()
        }));
    }
}
