//! Which kernel to boot, and where its image and modules are.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};

use crate::cache;
use crate::debian::Suite;

/// The series the lab knows, and the Debian suites to look for each, in order.
const SERIES: [(&str, &[&str]); 4] = [
    ("5.10", &["bullseye"]),
    ("6.1", &["bookworm"]),
    ("6.12", &["trixie"]),
    ("7", &["trixie-backports", "sid"]),
];

/// A kernel as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelChoice {
    /// A series of Debian's kernels, by its name in the list above.
    Debian(&'static str),
    /// An image and the folder of its modules (the one named by its release).
    Own { image: PathBuf, modules: PathBuf },
}

impl KernelChoice {
    /// Every series, oldest first.
    pub fn every() -> Vec<Self> {
        SERIES.iter().map(|(series, _)| Self::Debian(series)).collect()
    }

    /// Debian's 5.10 has no type information for modules, without which no probe finds its way.
    pub fn has_module_types(&self) -> bool {
        *self != Self::Debian("5.10")
    }
}

impl FromStr for KernelChoice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let known = SERIES.map(|(series, _)| series);
        match known.into_iter().find(|series| *series == text) {
            Some(series) => Ok(Self::Debian(series)),
            None => bail!("the lab has no kernel `{text}`; it has {}", known.join(", ")),
        }
    }
}

impl fmt::Display for KernelChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(series) => f.write_str(series),
            Self::Own { image, .. } => f.write_str(&image.display().to_string()),
        }
    }
}

/// A kernel on this machine's disk, ready to boot.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// As in `uname -r`; also the name of the modules' folder.
    pub release: String,
    pub image: PathBuf,
    /// The folder `…/lib/modules/<release>`.
    pub modules: PathBuf,
}

/// Finds the kernel, fetching it from Debian if it is not in the cache.
pub fn fetch(choice: &KernelChoice) -> anyhow::Result<Kernel> {
    match choice {
        KernelChoice::Own { image, modules } => own(image, modules),
        KernelChoice::Debian(series) => {
            let _lock = cache::lock()?;
            debian(series)
        }
    }
}

fn own(image: &Path, modules: &Path) -> anyhow::Result<Kernel> {
    let release = modules
        .canonicalize()
        .with_context(|| format!("there is no folder {}", modules.display()))?
        .file_name()
        .with_context(|| format!("{} has no name", modules.display()))?
        .to_string_lossy()
        .into_owned();
    fs::metadata(image).with_context(|| format!("there is no kernel image {}", image.display()))?;
    Ok(Kernel {
        release,
        image: image.to_owned(),
        modules: modules.to_owned(),
    })
}

fn debian(series: &str) -> anyhow::Result<Kernel> {
    let suites = SERIES
        .iter()
        .find(|(name, _)| *name == series)
        .map_or(&[][..], |(_, suites)| suites);
    let folder = cache::folder("kernels")?.join(series);
    if folder.exists() {
        return in_folder(&folder);
    }
    let prefix = format!("linux-image-{series}.");
    for suite in suites {
        let suite = Suite::open(suite)?;
        // The package `linux-image-amd64` is empty and depends on the newest kernel of its suite.
        let dependencies = suite.dependencies("linux-image-amd64")?;
        let Some(package) = dependencies.iter().find(|name| name.starts_with(&prefix)) else {
            continue;
        };
        eprintln!("lab: fetching {package}");
        // From 7.2 on it is empty, too: image and modules are in packages that carry the same release.
        let release = package.trim_start_matches("linux-image");
        let parts = suite.dependencies(package)?;
        let parts = parts
            .iter()
            .filter(|name| name.ends_with(release))
            .map(String::as_str);
        suite.unpack_together(&parts.chain([package.as_str()]).collect::<Vec<_>>(), &folder)?;
        return in_folder(&folder);
    }
    bail!(
        "none of the Debian suites {} has a kernel {series}",
        suites.join(", ")
    )
}

/// The kernel in a folder of unpacked packages.
fn in_folder(folder: &Path) -> anyhow::Result<Kernel> {
    for parent in ["lib/modules", "usr/lib/modules"].map(|parent| folder.join(parent)) {
        let Some(modules) = fs::read_dir(&parent)
            .ok()
            .and_then(|mut entries| entries.next()?.ok())
        else {
            continue;
        };
        let release = modules.file_name().to_string_lossy().into_owned();
        let image = [
            folder.join(format!("boot/vmlinuz-{release}")),
            modules.path().join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.exists())
        .with_context(|| format!("{} has modules but no kernel image", folder.display()))?;
        return Ok(Kernel {
            release,
            image,
            modules: modules.path(),
        });
    }
    bail!("{} holds no kernel modules", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_known_by_its_name_only() {
        assert_eq!(
            "6.1".parse::<KernelChoice>().unwrap(),
            KernelChoice::Debian("6.1")
        );
        let said = "6".parse::<KernelChoice>().unwrap_err().to_string();
        assert!(said.contains("`6`") && said.contains("6.12"), "{said}");
    }
}
