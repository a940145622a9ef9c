//! The unix socket as a file: who may reach it, and what a dead daemon left behind.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why the socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("{path}: another daemon listens there; stop it, or give --socket")]
    Taken { path: PathBuf },
    #[error("{path}: {operation} failed: {source}; look at the folder's permissions, or give --socket")]
    Io {
        path: PathBuf,
        operation: &'static str,
        source: io::Error,
    },
}

/// Listens on `path`, for its owner and group only. A socket that nobody answers is replaced.
pub(super) async fn listen(path: &Path) -> Result<UnixListener, SocketError> {
    let fail = |operation| {
        move |source| SocketError::Io {
            path: path.to_owned(),
            operation,
            source,
        }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail("make the folder"))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => {
            return Err(SocketError::Taken {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(fail("remove the dead socket"))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(fail("bind"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(fail("set its mode"))?;
    Ok(listener)
}
