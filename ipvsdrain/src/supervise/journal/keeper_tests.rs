//! One daemon per journal, and the pace at which a fault is looked at again.

use std::fs;
use std::time::Duration;

use super::place::log_of;
use super::{FILE, Journal, JournalError, Keeper, RETRY_EVERY};
use crate::drain::Record;
use crate::moment::Moment;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::supervisor_tests::{block_on, request, start};

const START: Moment = Moment::from_secs(1000);

fn record() -> Record {
    let folder = tempfile::tempdir().unwrap();
    let begun = block_on(start(&FakeKernel::new(), &folder.path().join("journal")).begin(&request()));
    Record {
        id: 0,
        ..begun.unwrap()
    }
}

/// Tends it once a second from `from` on, for as long as a new try may take; tells after how many seconds it was opened.
fn healed_after(keeper: &mut Keeper, from: Moment) -> Option<u64> {
    let longest = 2 * RETRY_EVERY.as_secs();
    (0..=longest).find(|second| keeper.tend(from + Duration::from_secs(*second)))
}

#[test]
fn a_second_daemon_is_told_about_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = Keeper::at(folder.path()).unwrap();
    assert_eq!(first.fault(), None);
    let taken = Keeper::at(folder.path()).unwrap_err();
    assert!(matches!(taken, JournalError::Taken { .. }), "{taken}");
    for part in ["another daemon", "stop it", "--state"] {
        assert!(taken.to_string().contains(part), "{taken}");
    }
    drop(first);
    assert_eq!(Keeper::at(folder.path()).unwrap().fault(), None);
}

#[test]
fn a_fault_keeps_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "garbage").unwrap();
    let first = Keeper::at(folder.path()).unwrap();
    assert!(first.fault().is_some());
    assert!(Keeper::at(folder.path()).is_err(), "it may heal");
}

#[test]
fn a_folder_that_is_there_again_is_used_within_the_pace() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::write(&state, "a file in its place").unwrap();
    let mut keeper = Keeper::at(&state).unwrap();
    let said = keeper.fault().unwrap().to_string();
    assert!(said.contains("make the folder failed"), "{said}");
    assert_eq!(healed_after(&mut keeper, START), None);
    fs::remove_file(&state).unwrap();
    let later = START + 3 * RETRY_EVERY;
    assert!(healed_after(&mut keeper, later).is_some_and(|secs| secs <= RETRY_EVERY.as_secs()));
    assert_eq!(keeper.fault(), None);
}

#[test]
fn a_file_at_fault_is_looked_at_again_once_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(&path, "garbage").unwrap();
    let mut keeper = Keeper::at(folder.path()).unwrap();
    let fault = keeper.fault().cloned();
    assert_eq!(healed_after(&mut keeper, START), None);
    assert_eq!(fs::read(&path).unwrap(), b"garbage");
    fs::write(&path, "other garbage").unwrap();
    assert_eq!(healed_after(&mut keeper, START + 3 * RETRY_EVERY), None);
    assert_eq!(keeper.fault().cloned(), fault);
    fs::rename(&path, folder.path().join("aside")).unwrap();
    assert!(healed_after(&mut keeper, START + 6 * RETRY_EVERY).is_some());
    assert_eq!(fs::read(folder.path().join("aside")).unwrap(), b"other garbage");
}

#[test]
fn a_journal_that_was_moved_away_is_missed_at_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let aside = folder.path().join("aside");
    let mut keeper = Keeper::at(folder.path()).unwrap();
    keeper.save(&record(), START).unwrap();
    fs::rename(&path, &aside).unwrap();
    let said = keeper.save(&record(), START).unwrap_err().to_string();
    assert!(said.contains("another hand moved"), "{said}");
    // Its log stayed behind, and the moved file needs it no more.
    assert_eq!(fs::metadata(log_of(&path)).map_or(0, |log| log.len()), 0);
    assert_eq!(Journal::open(&aside).unwrap().latest().unwrap().len(), 1);
    assert!(healed_after(&mut keeper, START).is_some());
    keeper.save(&record(), START).unwrap();
}
