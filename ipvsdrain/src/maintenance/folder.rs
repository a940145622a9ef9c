//! Reads the folder of markers. Owns what a file name means; decides nothing.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// How much of a file's first line is kept as the reason.
const LONGEST_NOTE: usize = 200;

/// A file that asks for a host to be drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub address: IpAddr,
    /// When it was written or touched last: seconds since 1970.
    pub since_unix: u64,
    /// Its first line, for the record.
    pub note: String,
}

/// What is in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) markers: Vec<Marker>,
    /// Names that are no address. Those that begin with a dot are some editor's, and not told.
    pub(super) odd: Vec<String>,
}

/// Reads all of it, or fails: a marker that could not be looked at must not count as gone.
pub(super) fn read(folder: &Path) -> Result<Found, String> {
    let fail = |operation: &str, path: &Path, error: &io::Error| {
        format!("{}: {operation} failed: {error}", path.display())
    };
    let mut found = Found::default();
    let entries = fs::read_dir(folder).map_err(|error| fail("read", folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| fail("read", folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(address) = name.parse::<IpAddr>() else {
            if !name.starts_with('.') {
                found.odd.push(name);
            }
            continue;
        };
        let path = entry.path();
        let touched = match fs::metadata(&path).and_then(|data| data.modified()) {
            Ok(touched) => touched,
            // Removed since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail("stat", &path, &error)),
        };
        found.markers.push(Marker {
            address,
            since_unix: touched
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            note: note(&path),
        });
    }
    found.odd.sort();
    found.markers.sort_by_key(|marker| marker.address);
    Ok(found)
}

/// What cannot be read asks all the same: the file is there.
fn note(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return format!("{} is there", path.display());
    }
    line.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_NOTE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_named_after_an_address_asks_and_its_first_line_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("10.1.0.5", "kernel update\nby the night shift\n");
        write("2001:db8::5", "");
        write("web-5", "");
        write(".10.1.0.6.swp", "");
        let found = read(folder.path()).unwrap();
        assert_eq!(found.odd, ["web-5"]);
        let [four, six] = found.markers.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(four.address, "10.1.0.5".parse::<IpAddr>().unwrap());
        assert_eq!(four.note, "kernel update");
        assert!(four.since_unix > 1_600_000_000);
        assert!(six.note.ends_with("2001:db8::5 is there"), "{}", six.note);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert!(read(&missing).unwrap_err().contains("read failed"));
        assert!(read(folder.path()).unwrap().markers.is_empty());
    }
}
