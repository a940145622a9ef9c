//! Troubles of a disk that a test can bring about as root, too: SQL that goes before each use of a journal by this thread.

use std::cell::RefCell;

use rusqlite::Connection;

/// Writing fails as on a file system that is mounted read-only: `SQLITE_READONLY`.
pub(crate) const READ_ONLY: &str = "PRAGMA query_only = 1";

thread_local! {
    static STRAIN: RefCell<&'static str> = const { RefCell::new("") };
}

/// From now on, until it is set to nothing.
pub(crate) fn set(sql: &'static str) {
    STRAIN.set(sql);
}

pub(super) fn put_on(connection: &Connection) {
    let sql = STRAIN.with_borrow(|sql| *sql);
    // Some of them answer with a row.
    if let Ok(mut statement) = connection.prepare(sql) {
        let mut rows = statement.query([]).expect("a pragma takes no values");
        while rows.next().is_ok_and(|row| row.is_some()) {}
    }
}
