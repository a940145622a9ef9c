//! `--netns`: the network namespace whose IPVS the daemon looks after.
//!
//! Owns finding it and entering it. Linux moves the calling thread alone, and threads start where their parent is: so
//! this comes before the async runtime, and never after it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps the namespaces it has names for.
const NAMED: &str = "/run/netns";

/// Moves the calling thread into the namespace of this name or path, for good.
pub(super) fn enter(netns: &str) -> Result<()> {
    let path = path_of(netns);
    let shown = path.display();
    let file = File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "there is no network namespace {shown} ({error}): `ip netns list` shows those with a name, and any other \
             is given by a path with a slash, such as /proc/PID/ns/net"
        ),
        _ => anyhow!("the network namespace {shown} cannot be opened ({error}): run as root"),
    })?;
    setns(&file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        Errno::EINVAL => anyhow!(
            "{shown} is not a network namespace ({errno}): `ip netns list` shows those with a name, and \
             /proc/PID/ns/net is that of a process"
        ),
        Errno::EPERM => anyhow!(
            "entering the network namespace {shown} is not permitted ({errno}): run as root, or with CAP_SYS_ADMIN"
        ),
        _ => anyhow!("the network namespace {shown} cannot be entered: {errno}"),
    })
}

/// What holds a slash is a path; anything else is a name.
fn path_of(netns: &str) -> PathBuf {
    if netns.contains('/') {
        PathBuf::from(netns)
    } else {
        Path::new(NAMED).join(netns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_where_ip_netns_keeps_it_and_a_path_is_taken_as_it_is() {
        assert_eq!(path_of("blue"), Path::new("/run/netns/blue"));
        assert_eq!(path_of("/proc/7/ns/net"), Path::new("/proc/7/ns/net"));
        assert_eq!(path_of("./blue"), Path::new("./blue"));
    }

    #[test]
    fn an_absent_name_is_refused_with_its_path_and_how_to_see_the_names() {
        let said = enter("no-such-namespace").unwrap_err().to_string();
        assert!(
            said.contains("/run/netns/no-such-namespace") && said.contains("ip netns list"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_network_namespace_is_refused_by_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/proc/self/ns/uts")] {
            let said = enter(&path.display().to_string()).unwrap_err().to_string();
            let expected = format!("{} is not a network namespace", path.display());
            assert!(said.contains(&expected), "{said}");
        }
    }
}
