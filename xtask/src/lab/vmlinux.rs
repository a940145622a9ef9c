//! Takes the kernel proper out of its boot image, so that QEMU loads it unpacked: unpacking it inside the
//! emulated guest costs a third of a boot.
//!
//! The boot image's layout is the kernel's `Documentation/arch/x86/boot.rst`. QEMU enters the unpacked
//! kernel by the note that `CONFIG_PVH` leaves in it; without that note the boot image is used as it is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use goblin::elf::Elf;

use super::kernel::Kernel;
use super::programs::Programs;
use crate::cache;

/// Offsets in the boot image.
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// The note that holds the entry point: owner and type, as Xen's `elfnote.h` numbers them.
const ENTRY_NOTE: (&str, u32) = ("Xen", 18);

/// What QEMU should boot: the unpacked kernel where that can be, else the boot image.
pub fn bootable(kernel: &Kernel, programs: &Programs) -> anyhow::Result<PathBuf> {
    let _lock = cache::lock()?;
    let unpacked = cache::folder("vmlinux")?.join(&kernel.release);
    let newer = |path: &Path| {
        Some(fs::metadata(path).ok()?.modified().ok()? > fs::metadata(&kernel.image).ok()?.modified().ok()?)
    };
    if newer(&unpacked) == Some(true) {
        return Ok(unpacked);
    }
    let image = fs::read(&kernel.image).with_context(|| format!("cannot read {}", kernel.image.display()))?;
    match payload(&image).map(|payload| unpack(payload, programs)) {
        Some(Ok(vmlinux)) if has_entry_note(&vmlinux) => {
            let aside = unpacked.with_extension("part");
            fs::write(&aside, vmlinux).with_context(|| format!("cannot write {}", aside.display()))?;
            fs::rename(&aside, &unpacked).with_context(|| format!("cannot rename {}", aside.display()))?;
            Ok(unpacked)
        }
        _ => Ok(kernel.image.clone()),
    }
}

/// The compressed kernel inside a boot image, without the size that the kernel's build appends.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    if image.get(MAGIC..MAGIC + 4)? != b"HdrS" {
        return None;
    }
    let setup = match *image.get(SETUP_SECTORS)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let begin = (setup + 1) * 512 + number(PAYLOAD_OFFSET)?;
    image.get(begin..begin + number(PAYLOAD_LENGTH)?.checked_sub(4)?)
}

fn unpack(payload: &[u8], programs: &Programs) -> anyhow::Result<Vec<u8>> {
    let mut command = if payload.starts_with(b"\xfd7zXZ") {
        programs.command("xz-utils", "xz", "xz")?
    } else if payload.starts_with(b"\x28\xb5\x2f\xfd") {
        programs.command("zstd", "zstd", "zstd")?
    } else {
        anyhow::bail!("compressed in a way that is not known here");
    };
    // From a file, so that a tool that writes before it has read all cannot block us.
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    file.write_all(payload).context("cannot write a temporary file")?;
    std::io::Seek::rewind(&mut file).context("cannot rewind a temporary file")?;
    let output = command
        .args(["--decompress", "--stdout"])
        .stdin(Stdio::from(file))
        .output()
        .context("cannot start the tool that unpacks the kernel")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn has_entry_note(vmlinux: &[u8]) -> bool {
    let (owner, kind) = ENTRY_NOTE;
    let Ok(elf) = Elf::parse(vmlinux) else {
        return false;
    };
    elf.iter_note_headers(vmlinux)
        .into_iter()
        .flatten()
        .flatten()
        .any(|note| note.name.trim_end_matches('\0') == owner && note.n_type == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_where_the_header_says() {
        let mut image = vec![0; 4096];
        image[SETUP_SECTORS] = 2;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET] = 16;
        image[PAYLOAD_LENGTH] = 10;
        image[3 * 512 + 16..3 * 512 + 26].copy_from_slice(b"kernelSIZE");
        assert_eq!(payload(&image), Some(&b"kernel"[..]));
    }

    #[test]
    fn what_is_no_boot_image_has_no_payload() {
        assert_eq!(payload(b"\x7fELF"), None);
        assert_eq!(payload(&vec![0; 4096]), None);
        assert!(!has_entry_note(
            &fs::read(std::env::current_exe().unwrap()).unwrap()
        ));
    }
}
