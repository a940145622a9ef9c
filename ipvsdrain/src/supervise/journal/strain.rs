//! Troubles of a disk that a test can bring about as root, too: SQL that goes before each use of a journal by this thread.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::Connection;

/// No page more than there are: `SQLITE_FULL`, once [`fill`] left none free either.
pub(crate) const FULL: &str = "PRAGMA max_page_count = 1";
/// Writing fails as on a file system that is mounted read-only: `SQLITE_READONLY`.
pub(crate) const READ_ONLY: &str = "PRAGMA query_only = 1";

thread_local! {
    static STRAIN: RefCell<&'static str> = const { RefCell::new("") };
}

/// From now on, until it is set to nothing.
pub(crate) fn set(sql: &'static str) {
    STRAIN.set(sql);
}

/// Takes what is free within a journal, so that it has to grow for the next long record.
pub(crate) fn fill(path: &Path) {
    let connection = Connection::open(path).expect("a journal");
    let mut made = connection.execute_batch("PRAGMA max_page_count = 1; CREATE TABLE hog(fat BLOB)");
    while made.is_ok() {
        made = connection.execute_batch("INSERT INTO hog VALUES(zeroblob(100))");
    }
}

pub(super) fn put_on(connection: &Connection) {
    let sql = STRAIN.with_borrow(|sql| *sql);
    // Some of them answer with a row.
    if let Ok(mut statement) = connection.prepare(sql) {
        let mut rows = statement.query([]).expect("a pragma takes no values");
        while rows.next().is_ok_and(|row| row.is_some()) {}
    }
}
