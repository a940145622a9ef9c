//! A journal that does not work, at the start or later: nothing is begun, changed or removed, everything is still
//! observed, and it says why. Once it works the drains go on.

use std::fs;
use std::path::{Path, PathBuf};

use super::fake_kernel::{FakeKernel, ORIGINAL};
use super::journal::{FILE, Filter, Journal, Keeper, strain};
use super::request::RequestError;
use super::supervisor::{Key, Supervisor};
use super::supervisor_tests::{block_on, pass, request, shown};
use crate::drain::{Record, Request, State};
use crate::forwarding::Configuration;
use crate::moment::Moment;

fn key() -> Key {
    (request().service, request().server)
}

fn other() -> Request {
    Request {
        server: "10.1.0.6:53".parse().unwrap(),
        ..request()
    }
}

fn daemon(kernel: &FakeKernel, folder: &Path) -> Supervisor<FakeKernel> {
    let keeper = Keeper::at(folder).unwrap();
    Supervisor::resume(kernel.clone(), keeper, "boot".to_owned(), || 1_790_000_000)
}

fn fault(supervisor: &Supervisor<FakeKernel>) -> Option<String> {
    let condition = supervisor.handle().0.journal.borrow().clone();
    condition.fault.map(|fault| fault.to_string())
}

fn changes(kernel: &FakeKernel) -> Vec<String> {
    kernel.0.borrow().changes.clone()
}

/// A daemon with one drain under way, whose flows will end.
fn draining(kernel: &FakeKernel, folder: &Path) -> Supervisor<FakeKernel> {
    let mut supervisor = daemon(kernel, folder);
    // So long that a change of it takes new pages of the file.
    let long = Request {
        why: "maintenance ".repeat(1000),
        ..request()
    };
    block_on(supervisor.begin(&long)).unwrap();
    pass(&mut supervisor, kernel, 3);
    assert_eq!(changes(kernel), ["watch", "weight 0"]);
    supervisor
}

fn refuses(supervisor: &mut Supervisor<FakeKernel>, cause: &str) {
    let new = block_on(supervisor.begin(&other())).unwrap_err();
    let back = block_on(supervisor.restore(key())).unwrap_err();
    for error in [new, back] {
        assert!(matches!(error, RequestError::Journal(_)), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
    }
}

/// What breaks a journal, its cause as it is told, and what heals it.
struct Trouble {
    cause: &'static str,
    breaks: fn(&Path),
    heals: fn(&Path),
}

const TROUBLES: [Trouble; 4] = [
    Trouble {
        cause: "free space",
        breaks: |path| {
            strain::fill(path);
            strain::set(strain::FULL);
        },
        heals: |_| strain::set(""),
    },
    Trouble {
        cause: "readonly",
        breaks: |_| strain::set(strain::READ_ONLY),
        heals: |_| strain::set(""),
    },
    Trouble {
        cause: "Is a directory",
        breaks: |path| {
            fs::rename(path, path.with_extension("aside")).unwrap();
            fs::create_dir(path).unwrap();
        },
        heals: |path| {
            fs::remove_dir(path).unwrap();
            fs::rename(path.with_extension("aside"), path).unwrap();
        },
    },
    NO_FOLDER,
];

/// The folder is gone, and a file is in its place.
const NO_FOLDER: Trouble = Trouble {
    cause: "make the folder failed",
    breaks: |path| {
        let folder = path.parent().unwrap();
        fs::rename(folder, folder.with_extension("aside")).unwrap();
        fs::write(folder, "").unwrap();
    },
    heals: |path| {
        let folder = path.parent().unwrap();
        fs::remove_file(folder).unwrap();
        fs::rename(folder.with_extension("aside"), folder).unwrap();
    },
};

#[test]
fn a_drain_under_way_is_held_while_the_journal_is_broken_and_then_goes_on() {
    for Trouble { cause, breaks, heals } in TROUBLES {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let path = state.join(FILE);
        let kernel = FakeKernel::new();
        let mut supervisor = draining(&kernel, &state);
        breaks(&path);
        pass(&mut supervisor, &kernel, 100);
        assert_eq!(
            changes(&kernel),
            ["watch", "weight 0"],
            "{cause}: nothing is removed"
        );
        let said = fault(&supervisor).expect(cause);
        assert!(said.contains(cause), "{said}");
        let held = shown(&supervisor);
        assert_eq!(held.state, State::Draining, "{cause}");
        let why = held.observed.held.expect("a drain that does not go on is held");
        assert_eq!(why.to_string(), format!("the journal does not work: {said}"));
        let now = kernel.0.borrow().now;
        assert_eq!(held.observed.at, Some(now), "it is still observed");
        assert_eq!(held.observed.flows.unwrap().udp, 0, "the flows ended");
        refuses(&mut supervisor, &said);

        heals(&path);
        pass(&mut supervisor, &kernel, 30);
        assert_eq!(fault(&supervisor), None, "{cause}");
        assert_eq!(shown(&supervisor).state, State::Removed, "{cause}");
        let host = kernel.0.borrow();
        assert_eq!((host.lossy_removals, host.expire_nodest), (0, false), "{cause}");
        assert_eq!(host.taken_up.len(), 1, "only a start takes up watches");
        let kept = Journal::open(&path).unwrap().latest().unwrap();
        assert_eq!((kept.len(), kept[0].state), (1, State::Removed), "{cause}");
    }
}

#[test]
fn a_new_journal_gets_the_drains_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let mut supervisor = draining(&kernel, folder.path());
    fs::remove_file(folder.path().join(FILE)).unwrap();
    pass(&mut supervisor, &kernel, 1);
    assert!(fault(&supervisor).is_some_and(|said| said.contains("deleted")));
    pass(&mut supervisor, &kernel, 11);
    assert_eq!(fault(&supervisor), None);
    drop(supervisor);
    kernel.0.borrow_mut().watched_since = None;
    let mut next = daemon(&kernel, folder.path());
    assert_eq!(shown(&next).before, ORIGINAL, "the original is not lost");
    pass(&mut next, &kernel, 40);
    assert_eq!(shown(&next).state, State::Removed);
}

#[test]
fn what_is_borrowed_goes_back_even_without_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().flows_until = Moment::from_secs(0);
    let mut supervisor = draining(&kernel, folder.path());
    while kernel.0.borrow().server.is_some() {
        pass(&mut supervisor, &kernel, 1);
    }
    assert!(kernel.0.borrow().expire_nodest);
    strain::set(strain::READ_ONLY);
    pass(&mut supervisor, &kernel, 10);
    assert!(!kernel.0.borrow().expire_nodest);
    assert!(!shown(&supervisor).is_over(), "that is not journalled yet");
    strain::set("");
    pass(&mut supervisor, &kernel, 12);
    assert!(shown(&supervisor).is_over());
}

#[test]
fn a_drain_that_was_refused_does_not_begin_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let kernel = FakeKernel::new();
    let mut supervisor = draining(&kernel, folder.path());
    strain::set(strain::READ_ONLY);
    refuses(&mut supervisor, "readonly");
    strain::set("");
    // As if the write had reached the disk and only its success had not been told.
    let mut journal = Journal::open(&path).unwrap();
    let refused = Record {
        id: 0,
        server: other().server,
        state: State::Pooled,
        transitions: Vec::new(),
        ..shown(&supervisor)
    };
    journal.save(&refused).unwrap();
    pass(&mut supervisor, &kernel, 12);
    assert_eq!(fault(&supervisor), None);
    let of_other = Filter {
        server: Some(other().server),
        ..Filter::default()
    };
    let found = journal.history(&of_other).unwrap();
    assert_eq!(found[0].state, State::Yielded, "{:?}", found[0].transitions);
    assert_eq!(changes(&kernel), ["watch", "weight 0"]);
}

/// The journal and the host that a daemon leaves which dies with a drain under way.
fn left_behind(folder: &Path) -> (FakeKernel, PathBuf) {
    let kernel = FakeKernel::new();
    drop(draining(&kernel, folder));
    let mut host = kernel.0.borrow_mut();
    host.watched_since = None;
    host.changes.clear();
    host.taken_up.clear();
    drop(host);
    (kernel, folder.join(FILE))
}

#[test]
fn a_start_without_its_journal_touches_nothing_until_it_can_be_read() {
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [(&str, Damage); 4] = [
        ("header", |_| b"garbage".repeat(2000)),
        ("truncated", |whole| whole[..whole.len() / 2].to_vec()),
        ("page", |whole| {
            let mut bytes = whole.to_vec();
            bytes[4096..8192].fill(0xff);
            bytes
        }),
        ("version", |whole| {
            let mut bytes = whole.to_vec();
            bytes[60..64].fill(0x11);
            bytes
        }),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let (kernel, path) = left_behind(folder.path());
        let whole = fs::read(&path).unwrap();
        let wrong = damage(&whole);
        fs::write(&path, &wrong).unwrap();

        let mut supervisor = daemon(&kernel, folder.path());
        pass(&mut supervisor, &kernel, 60);
        let said = fault(&supervisor).expect(what);
        assert!(
            said.contains("weight 0") && said.contains("move it away"),
            "{what}: {said}"
        );
        assert!(!supervisor.handle().0.journal.borrow().drains_known);
        refuses(&mut supervisor, &said);
        assert!(changes(&kernel).is_empty(), "{what}: {:?}", changes(&kernel));
        assert!(
            kernel.0.borrow().taken_up.is_empty(),
            "{what}: what was counted stays for the drain that it belongs to"
        );
        assert!(
            fs::read(&path).unwrap() == wrong,
            "{what}: it is for people to look at"
        );

        fs::write(&path, &whole).unwrap();
        pass(&mut supervisor, &kernel, 11);
        assert_eq!(fault(&supervisor), None, "{what}");
        assert_eq!(kernel.0.borrow().taken_up, [[key()].into()], "{what}");
        assert_eq!(shown(&supervisor).before, ORIGINAL);
        pass(&mut supervisor, &kernel, 40);
        assert_eq!(shown(&supervisor).state, State::Removed, "{what}");
    }
}

#[test]
fn a_start_without_space_or_folder_waits_for_it() {
    let [_, read_only, ..] = TROUBLES;
    for Trouble { breaks, heals, .. } in [read_only, NO_FOLDER] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let (kernel, path) = left_behind(&state);
        breaks(&path);
        let mut supervisor = daemon(&kernel, &state);
        pass(&mut supervisor, &kernel, 60);
        assert!(fault(&supervisor).is_some());
        assert!(changes(&kernel).is_empty() && kernel.0.borrow().taken_up.is_empty());
        heals(&path);
        pass(&mut supervisor, &kernel, 60);
        assert_eq!(shown(&supervisor).state, State::Removed);
    }
}

#[test]
fn a_damaged_journal_that_was_moved_away_leaves_its_servers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, path) = left_behind(folder.path());
    fs::write(&path, "garbage").unwrap();
    let mut supervisor = daemon(&kernel, folder.path());
    pass(&mut supervisor, &kernel, 1);
    fs::rename(&path, path.with_extension("aside")).unwrap();
    fs::remove_file(path.with_file_name(format!("{FILE}-wal"))).unwrap_or_default();
    pass(&mut supervisor, &kernel, 40);
    assert_eq!(fault(&supervisor), None);
    assert!(changes(&kernel).is_empty(), "forgotten, as was said");
    let left = Configuration {
        weight: 0,
        ..ORIGINAL
    };
    assert_eq!(kernel.0.borrow().server, Some(left));
    assert_eq!(fs::read(path.with_extension("aside")).unwrap(), b"garbage");
}
