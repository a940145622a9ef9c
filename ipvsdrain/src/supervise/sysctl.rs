//! The `net.ipv4.vs` sysctls that decide about evidence and removal. They belong to a network namespace: this is
//! the daemon's own.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::kernel::Fault;
use crate::drain::Evidence;

/// The folder of those sysctls.
#[derive(Debug, Clone)]
pub struct Sysctls {
    folder: PathBuf,
}

impl Default for Sysctls {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("/proc/sys/net/ipv4/vs"),
        }
    }
}

impl Sysctls {
    /// Whether a switch is on. Any number but 0 is.
    pub fn is_on(&self, name: &str) -> Evidence<bool> {
        match self.read(name) {
            Ok(text) => match text.as_str() {
                "0" => Evidence::Known(false),
                number if number.parse::<i64>().is_ok() => Evidence::Known(true),
                odd => Evidence::Unknown(format!("it reads `{odd}`")),
            },
            Err(error) => Evidence::Unknown(error.to_string()),
        }
    }

    pub fn turn(&self, name: &str, on: bool) -> Result<(), Fault> {
        fs::write(self.folder.join(name), if on { "1" } else { "0" }).map_err(|error| {
            Fault(format!(
                "net.ipv4.vs.{name} could not be set to {}: {error}; the daemon needs CAP_NET_ADMIN and a writable \
                 /proc/sys",
                u8::from(on)
            ))
        })
    }

    /// The kernel counts packets all the time, but shows a snapshot: frozen where estimation is off.
    pub fn counters(&self) -> Evidence<()> {
        match self.read("run_estimation") {
            Ok(value) if value == "0" => {
                return Evidence::Unknown("net.ipv4.vs.run_estimation is 0: set it to 1".to_owned());
            }
            // Absent before Linux 5.16, where estimation cannot be turned off.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Evidence::Unknown(format!("net.ipv4.vs.run_estimation cannot be read: {error}"));
            }
            _ => {}
        }
        match self.read("est_cpulist") {
            Ok(list) if list.is_empty() => Evidence::Unknown(
                "net.ipv4.vs.est_cpulist is empty, no CPU renews the counters: give it one".to_owned(),
            ),
            // Absent before Linux 6.2.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Evidence::Unknown(format!("net.ipv4.vs.est_cpulist cannot be read: {error}"))
            }
            _ => Evidence::Known(()),
        }
    }

    fn read(&self, name: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.folder.join(name))?.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODEST: &str = "expire_nodest_conn";

    fn sysctls(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysctls) {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            fs::write(folder.path().join(name), value).unwrap();
        }
        let sysctls = Sysctls {
            folder: folder.path().to_owned(),
        };
        (folder, sysctls)
    }

    #[test]
    fn counters_are_trusted_only_where_something_renews_them() {
        let (_folder, old) = sysctls(&[("expire_nodest_conn", "0\n")]);
        assert_eq!(old.counters(), Evidence::Known(()), "5.10 has neither file");
        let (_folder, on) = sysctls(&[("run_estimation", "1\n"), ("est_cpulist", "0-3\n")]);
        assert_eq!(on.counters(), Evidence::Known(()));
        for files in [
            &[("run_estimation", "0\n")][..],
            &[("run_estimation", "1\n"), ("est_cpulist", "\n")],
        ] {
            let (_folder, off) = sysctls(files);
            assert!(matches!(off.counters(), Evidence::Unknown(_)));
        }
    }

    #[test]
    fn the_sysctl_is_read_and_written_as_it_is() {
        let (_folder, vs) = sysctls(&[("expire_nodest_conn", "0\n")]);
        assert_eq!(vs.is_on(NODEST), Evidence::Known(false));
        vs.turn(NODEST, true).unwrap();
        assert_eq!(vs.is_on(NODEST), Evidence::Known(true));
        let (_folder, missing) = sysctls(&[]);
        assert!(matches!(missing.is_on(NODEST), Evidence::Unknown(_)));
    }
}
