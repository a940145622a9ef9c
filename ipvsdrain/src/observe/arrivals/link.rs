//! Whether a link is still attached to its interface, from `/proc/self/fdinfo`: aya does not ask the kernel for it.
//!
//! The kernel shows interface 0 once the link was detached by force, or its interface is gone.

use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::links::FdLink;

const OPEN_FILES: &str = "/proc/self/fdinfo";

/// The file that tells of this link. `None` if the kernel shows none.
pub(super) fn file_of(link: &FdLink) -> Option<PathBuf> {
    let id = link.info().ok()?.id().to_string();
    fs::read_dir(OPEN_FILES)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            fs::read_to_string(path)
                .is_ok_and(|text| field(&text, "link_id:").as_deref() == Some(id.as_str()))
        })
}

pub(super) fn is_attached(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| names_an_interface(&text))
}

fn names_an_interface(text: &str) -> bool {
    field(text, "ifindex:").is_some_and(|index| index != "0")
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_an_interface_is_detached() {
        let text =
            |index: u32| format!("pos:\t0\nlink_type:\ttcx\nlink_id:\t7\nprog_id:\t9\nifindex:\t{index}\n");
        assert!(names_an_interface(&text(4)));
        assert!(!names_an_interface(&text(0)));
        assert!(!names_an_interface("pos:\t0\n"));
    }
}
