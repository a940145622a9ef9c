//! Whose fault a failure is: the server's, or the checker's own. What is not known to be the server's is not held against it.

use std::error::Error;
use std::io;

use nix::errno::Errno;

/// Why a try did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bad {
    Server(String),
    Checker(String),
}

/// What a server, or the network in front of it, answers. `EHOSTUNREACH` is among them: it is what comes of a host that is
/// switched off. `ENETUNREACH` is not: there is no way from here, which says nothing about what is at its end.
const OF_THE_SERVER: [Errno; 9] = [
    Errno::ECONNREFUSED,
    Errno::ECONNRESET,
    Errno::ECONNABORTED,
    Errno::EPIPE,
    Errno::ETIMEDOUT,
    Errno::EHOSTUNREACH,
    Errno::EHOSTDOWN,
    Errno::ENOPROTOOPT,
    Errno::EPROTO,
];

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) if OF_THE_SERVER.contains(&errno) => Bad::Server(errno.desc().to_lowercase()),
            Some(errno) => Bad::Checker(format!("{}: {errno}", advice(errno))),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Bad::Server("the connection was closed before an answer".to_owned())
            }
            // Said by a library about the bytes that came.
            None if error.kind() == io::ErrorKind::InvalidData => Bad::Server(error.to_string()),
            None => Bad::Checker(error.to_string()),
        }
    }
}

/// The cause that is an error of the system, where there is one; otherwise the server's answer was at fault.
pub(super) fn of_a_library(error: &(dyn Error + 'static), said: &str) -> Bad {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(errno) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return io::Error::from_raw_os_error(errno).into();
        }
        cause = error.source();
    }
    Bad::Server(format!("{said}: {error}"))
}

/// What is to be done about a fault of this host.
fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EMFILE | Errno::ENFILE => {
            "too many files are open: raise LimitNOFILE or lower concurrent_checks"
        }
        Errno::ENETUNREACH | Errno::EADDRNOTAVAIL => {
            "this host has no way to the server: see its routes and addresses"
        }
        Errno::EACCES | Errno::EPERM => {
            "this host does not let the check out: see its firewall and the unit's sandbox"
        }
        _ => "the check could not be made on this host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_this_host_is_not_held_against_the_server() {
        let of = |errno: Errno| Bad::from(io::Error::from(errno));
        assert_eq!(
            of(Errno::ECONNREFUSED),
            Bad::Server("connection refused".to_owned())
        );
        assert_eq!(
            of(Errno::EHOSTUNREACH),
            Bad::Server("no route to host".to_owned())
        );
        for errno in [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EACCES,
            Errno::EPERM,
            Errno::ENETUNREACH,
            Errno::EADDRNOTAVAIL,
            Errno::EAFNOSUPPORT,
        ] {
            assert!(matches!(of(errno), Bad::Checker(_)), "{errno}");
        }
    }
}
