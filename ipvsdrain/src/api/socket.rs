//! The unix socket as a file: who may reach it, and what a dead daemon left behind.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use tokio::net::{UnixListener, UnixStream};

use super::access::Door;

/// Why the socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("{path}: another daemon listens there; stop it, or give --socket")]
    Taken { path: PathBuf },
    #[error(
        "{path}: it cannot be given to group {group}: {source}; run the daemon as root or as a member of that group, \
         or name another group in the configuration"
    )]
    Group {
        path: PathBuf,
        group: u32,
        source: io::Error,
    },
    #[error("{path}: {operation} failed: {source}; look at the folder's permissions, or give --socket")]
    Io {
        path: PathBuf,
        operation: &'static str,
        source: io::Error,
    },
}

/// Listens there, for the daemon's user and the door's group only. A socket that nobody answers is replaced.
pub(super) async fn listen(door: &Door) -> Result<UnixListener, SocketError> {
    let path = &door.path;
    let fail = |operation| {
        move |source| SocketError::Io {
            path: path.clone(),
            operation,
            source,
        }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail("make the folder"))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => {
            return Err(SocketError::Taken { path: path.clone() });
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(fail("remove the dead socket"))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(fail("bind"))?;
    if let Some(group) = door.group {
        chown(path, None, Some(group.as_raw())).map_err(|source| SocketError::Group {
            path: path.clone(),
            group: group.as_raw(),
            source,
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(fail("set its mode"))?;
    Ok(listener)
}
