//! Takes everything of ours out of the kernel, whoever left it: what `ipvsdrain daemon --clean` does.

use std::io;
use std::path::Path;

use super::arrivals;
use super::pins::{MAPS, Pins};

/// Removes all that is pinned below `root`, of any network namespace and version, and takes the filters off the
/// interfaces of the calling thread's namespace. Tells what it was, a line each.
pub fn clean(root: &Path) -> Result<Vec<String>, String> {
    let mut gone = Vec::new();
    let of_root = |error: io::Error| format!("{} cannot be cleaned: {error}", root.display());
    for pins in Pins::all(root).map_err(of_root)? {
        let of_pins = |error: io::Error| format!("{pins} cannot be cleaned: {error}; run it as root");
        let names = pins.names().map_err(of_pins)?;
        pins.remove().map_err(of_pins)?;
        let (maps, programs): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| MAPS.contains(&name.as_str()));
        let programs = if programs.is_empty() {
            "no program".to_owned()
        } else {
            programs.join(", ")
        };
        gone.push(format!("{pins}: {} maps, {programs}", maps.len()));
    }
    gone.extend(arrivals::take_filters_off()?);
    Ok(gone)
}
