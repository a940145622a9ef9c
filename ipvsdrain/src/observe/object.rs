//! The compiled programs: the copy inside this binary, or a file named instead; checked before anything is loaded.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use ipvsdrain_ebpf::layout::{LAYOUT_SECTION, LAYOUT_VERSION};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};

use super::error::ObserveError;

static EMBEDDED: &[u8] = aya::include_bytes_aligned!("programs.bpf.o");

/// An object whose layout version is ours.
#[derive(Debug)]
pub(super) struct Object {
    /// How messages call it.
    pub(super) name: String,
    pub(super) bytes: Cow<'static, [u8]>,
}

impl Object {
    /// The embedded object, or the one at `path`.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, ObserveError> {
        let Some(path) = path else {
            return Self::checked("embedded in this program".to_owned(), Cow::Borrowed(EMBEDDED));
        };
        let bytes = fs::read(path).map_err(|source| ObserveError::Unreadable {
            what: "the eBPF object",
            path: path.to_owned(),
            source,
        })?;
        Self::checked(path.display().to_string(), Cow::Owned(bytes))
    }

    fn checked(name: String, bytes: Cow<'static, [u8]>) -> Result<Self, ObserveError> {
        match layout_version(&bytes) {
            Err(fault) => Err(ObserveError::BrokenObject { object: name, fault }),
            Ok(LAYOUT_VERSION) => Ok(Self { name, bytes }),
            Ok(found) => Err(ObserveError::OtherLayout {
                object: name,
                found,
                expected: LAYOUT_VERSION,
            }),
        }
    }
}

fn layout_version(bytes: &[u8]) -> Result<u32, String> {
    let elf =
        ElfFile64::<object::Endianness>::parse(bytes).map_err(|fault| format!("no ELF file ({fault})"))?;
    let section = elf
        .section_by_name(LAYOUT_SECTION)
        .ok_or_else(|| format!("it has no section {LAYOUT_SECTION}"))?;
    let data = section.data().map_err(|fault| fault.to_string())?;
    let version = <[u8; 4]>::try_from(data)
        .map_err(|_| format!("section {LAYOUT_SECTION} has {} bytes", data.len()))?;
    Ok(u32::from_le_bytes(version))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("programs.o");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn the_embedded_object_has_our_layout() {
        Object::open(None).unwrap();
    }

    #[test]
    fn an_object_of_another_layout_is_refused_with_both_versions() {
        let elf = ElfFile64::<object::Endianness>::parse(EMBEDDED).unwrap();
        let (offset, _) = elf.section_by_name(LAYOUT_SECTION).unwrap().file_range().unwrap();
        let mut bytes = EMBEDDED.to_vec();
        bytes[usize::try_from(offset).unwrap()] = 99;
        let (_folder, path) = written(&bytes);
        let said = Object::open(Some(&path)).unwrap_err().to_string();
        assert!(
            said.contains("layout version 99") && said.contains(&format!("version {LAYOUT_VERSION}")),
            "{said}"
        );
    }

    #[test]
    fn a_broken_object_is_refused_by_name() {
        for bytes in [&b""[..], b"not an object", &EMBEDDED[..100]] {
            let (_folder, path) = written(bytes);
            let said = Object::open(Some(&path)).unwrap_err().to_string();
            assert!(
                said.contains("programs.o is broken") && said.contains("cargo xtask ebpf"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_absent_object_is_refused_by_name() {
        let said = Object::open(Some(Path::new("/nowhere/programs.o")))
            .unwrap_err()
            .to_string();
        assert!(said.contains("/nowhere/programs.o cannot be read"), "{said}");
    }
}
