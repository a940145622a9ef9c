//! Writes an initramfs: a cpio archive in the "newc" form, as `Documentation/driver-api/early-userspace/buffer-format.rst`
//! of the kernel describes it. Knows the format only, not what belongs into a guest.

use std::collections::BTreeSet;

/// A growing archive. Parent folders are added before the first thing in them.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Archive {
    /// Adds a folder and those above it; nothing happens if it is there already.
    pub fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return;
        }
        self.parent_of(path);
        self.entry(path, FOLDER, &[], 0);
    }

    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.parent_of(path);
        self.entry(path, FILE, content, 0);
    }

    /// A file that may be executed.
    pub fn program(&mut self, path: &str, content: &[u8]) {
        self.parent_of(path);
        self.entry(path, PROGRAM, content, 0);
    }

    pub fn link(&mut self, path: &str, target: &str) {
        self.parent_of(path);
        // A link counts as a folder, so that things "in" it never add a folder of its name.
        self.folders.insert(path.trim_matches('/').to_owned());
        self.entry(path, LINK, target.as_bytes(), 0);
    }

    /// A character device with these major and minor numbers.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parent_of(path);
        self.entry(path, CHARACTER_DEVICE, &[], (major << 16) | minor);
    }

    /// The whole archive, ended as the kernel wants it.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], 0);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.bytes
    }

    fn parent_of(&mut self, path: &str) {
        if let Some((parent, _name)) = path.trim_matches('/').rsplit_once('/') {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], device: u32) {
        let path = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("no file in a guest reaches 4 GiB");
        let name_size = u32::try_from(path.len() + 1).expect("no path reaches 4 GiB");
        // Inode, mode, owner, group, links, time, size, device of the file, device it names, name size, sum.
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            device >> 16,
            device & 0xffff,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, mode and content of each entry, read the way the kernel reads them.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(at % 4, 0, "an entry begins off its alignment");
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |index: usize| {
                let text = &bytes[at + 6 + index * 8..at + 14 + index * 8];
                u32::from_str_radix(std::str::from_utf8(text).unwrap(), 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = at + 110;
            let path = String::from_utf8(bytes[name..name + name_size - 1].to_vec()).unwrap();
            assert_eq!(bytes[name + name_size - 1], 0);
            if path == "TRAILER!!!" {
                return found;
            }
            let content = (name + name_size).next_multiple_of(4);
            found.push((path, mode, bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
    }

    #[test]
    fn what_is_put_in_is_read_back_parents_first() {
        let mut archive = Archive::default();
        archive.link("lib", "usr/lib");
        archive.program("/usr/bin/one", b"12345");
        archive.file("usr/bin/two", b"");
        archive.folder("run");
        let entries = read(&archive.finish());
        let paths: Vec<_> = entries.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["lib", "usr", "usr/bin", "usr/bin/one", "usr/bin/two", "run"]
        );
        assert_eq!(entries[0].1, LINK);
        assert_eq!(entries[0].2, b"usr/lib");
        assert_eq!((entries[3].1, entries[3].2.as_slice()), (PROGRAM, &b"12345"[..]));
    }

    #[test]
    fn nothing_makes_a_folder_where_a_link_is() {
        let mut archive = Archive::default();
        archive.link("lib", "usr/lib");
        archive.file("lib/modules/x", b"x");
        let entries = read(&archive.finish());
        assert_eq!(entries.iter().filter(|(path, ..)| path == "lib").count(), 1);
    }

    #[test]
    fn an_archive_fills_whole_blocks() {
        let mut archive = Archive::default();
        archive.device("dev/console", 5, 1);
        assert_eq!(archive.finish().len() % 512, 0);
    }
}
