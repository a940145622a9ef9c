//! What can go wrong with IPVS, and what to do about it.
//!
//! [`refusal`] turns the kernel's errno into an error that names the object; it is pure. The errnos were seen on 5.10,
//! 6.1, 6.12 and 7.2 alike.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::identity::{RealServer, VirtualService};

/// What was asked of IPVS, to be read after "cannot".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Connect,
    ReadInfo,
    ReadTimeouts,
    SetTimeouts,
    ReadServices,
    ReadService,
    AddService,
    SetServiceFlags,
    RemoveService,
    ReadDestinations,
    ReadDestination,
    SetWeight,
    AddDestination,
    SetDestination,
    RemoveDestination,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Connect => "connect to IPVS",
            Operation::ReadInfo => "read the version of IPVS",
            Operation::ReadTimeouts => "read the timeouts",
            Operation::SetTimeouts => "set the timeouts",
            Operation::ReadServices => "read the virtual services",
            Operation::ReadService => "read the virtual service",
            Operation::AddService => "add the virtual service",
            Operation::SetServiceFlags => "set the flags of the virtual service",
            Operation::RemoveService => "remove the virtual service",
            Operation::ReadDestinations => "read the real servers",
            Operation::ReadDestination => "read the real server",
            Operation::SetWeight => "set the weight of the real server",
            Operation::AddDestination => "add the real server",
            Operation::SetDestination => "change the real server",
            Operation::RemoveDestination => "remove the real server",
        })
    }
}

/// Why IPVS did not do what was asked. Each text names the operation, the object, the errno and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot {operation}: there is no virtual service {service} (ESRCH); `ipvsadm -Ln` lists those there are in this network namespace"
    )]
    NoService {
        service: VirtualService,
        operation: Operation,
    },

    #[error(
        "cannot {operation}: {server} is not a real server of {service} (ENOENT); `ipvsadm -Ln` lists those it has"
    )]
    NoServer {
        service: VirtualService,
        server: RealServer,
        operation: Operation,
    },

    #[error(
        "cannot {operation}: {} is there already (EEXIST); change it in place, or remove it first",
        name(Some(service), server.as_ref())
    )]
    Exists {
        service: VirtualService,
        server: Option<RealServer>,
        operation: Operation,
    },

    #[error(
        "cannot {operation}: not permitted (EPERM); IPVS wants CAP_NET_ADMIN in the initial user namespace, so run as root of the host or grant that capability"
    )]
    NotPermitted { operation: Operation },

    #[error(
        "cannot connect to IPVS: this kernel has no generic netlink family `IPVS` (ENOENT); run `modprobe ip_vs`, or boot a kernel built with CONFIG_IP_VS"
    )]
    NotLoaded,

    #[error("cannot {operation}: the kernel refused it for {object} ({errno:?}: {}); {remedy}", errno.desc())]
    Refused {
        object: String,
        operation: Operation,
        errno: Errno,
        remedy: &'static str,
    },

    #[error(
        "cannot {}: the list changed during each of {attempts} reads; find out who keeps changing {}, and try again",
        if service.is_some() { Operation::ReadDestinations } else { Operation::ReadServices },
        name(service.as_ref(), None)
    )]
    Unstable {
        /// The service whose real servers were read; none where the services themselves were.
        service: Option<VirtualService>,
        attempts: u32,
    },

    #[error(
        "the kernel's {message} could not be read: {attribute}: {fault}; this kernel speaks another form of IPVS than the one known here, please report it"
    )]
    Malformed {
        message: &'static str,
        attribute: String,
        fault: String,
    },

    #[error(
        "cannot {operation}: the netlink socket failed ({source}); if this was a change, read the table to see whether it took effect"
    )]
    Socket { operation: Operation, source: io::Error },
}

/// What an operation is about, to name it where the kernel refuses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) operation: Operation,
    pub(super) service: Option<&'a VirtualService>,
    pub(super) server: Option<&'a RealServer>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(operation: Operation) -> Self {
        Subject {
            operation,
            service: None,
            server: None,
        }
    }

    pub(super) fn service(operation: Operation, service: &'a VirtualService) -> Self {
        Subject {
            operation,
            service: Some(service),
            server: None,
        }
    }

    pub(super) fn server(operation: Operation, service: &'a VirtualService, server: &'a RealServer) -> Self {
        Subject {
            operation,
            service: Some(service),
            server: Some(server),
        }
    }
}

/// The kernel's refusal of `subject` with `errno`, as an error.
pub(super) fn refusal(subject: Subject<'_>, errno: Errno) -> Error {
    let operation = subject.operation;
    match (errno, subject.service, subject.server) {
        (Errno::EPERM, ..) => Error::NotPermitted { operation },
        (Errno::ESRCH, Some(service), _) => Error::NoService {
            service: *service,
            operation,
        },
        (Errno::ENOENT, Some(service), Some(server)) => Error::NoServer {
            service: *service,
            server: *server,
            operation,
        },
        (Errno::EEXIST, Some(service), server) => Error::Exists {
            service: *service,
            server: server.copied(),
            operation,
        },
        (errno, service, server) => Error::Refused {
            object: name(service, server),
            operation,
            errno,
            remedy: remedy(operation, errno),
        },
    }
}

fn remedy(operation: Operation, errno: Errno) -> &'static str {
    match (errno, operation) {
        (Errno::ENOENT, Operation::AddService | Operation::SetServiceFlags) => {
            "its scheduler or persistence engine is not loaded: run `modprobe ip_vs_<scheduler>` or `modprobe ip_vs_pe_<engine>`"
        }
        (Errno::ERANGE, _) => {
            "a weight lies between 0 and 2147483647, and the lower threshold not above the upper one"
        }
        (Errno::EINVAL, Operation::AddDestination | Operation::SetDestination | Operation::SetWeight) => {
            "a real server of the other address family needs a tunnel and no running sync daemon, and thresholds end at 2147483647"
        }
        (Errno::EINVAL, Operation::SetTimeouts) => "a timeout lies between 1 and about 2 million seconds",
        (Errno::EINVAL, Operation::AddService | Operation::SetServiceFlags) => {
            "port 0 needs persistence or a mark, one-packet scheduling needs UDP, and an IPv6 prefix lies between 1 and 128"
        }
        (Errno::EAFNOSUPPORT, _) => "this kernel was built without IPv6 for IPVS (CONFIG_IP_VS_IPV6)",
        (Errno::EOPNOTSUPP, _) => "this kernel's IPVS does not know the command",
        (Errno::EPROTONOSUPPORT, _) => {
            "this kernel's IPVS was built without that protocol (CONFIG_IP_VS_PROTO_*)"
        }
        (Errno::ENOMEM, _) => "the kernel is out of memory, or cannot start another estimator",
        (Errno::EINTR | Errno::EAGAIN | Errno::EBUSY, _) => "the kernel was busy: try again",
        _ => "the kernel log (`dmesg`) may say more",
    }
}

fn name(service: Option<&VirtualService>, server: Option<&RealServer>) -> String {
    match (service, server) {
        (Some(service), Some(server)) => format!("{server} of {service}"),
        (Some(service), None) => service.to_string(),
        (None, _) => "IPVS".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns() -> VirtualService {
        "udp:10.0.0.1:53".parse().unwrap()
    }

    fn server() -> RealServer {
        "10.1.0.5:53".parse().unwrap()
    }

    #[test]
    fn each_errno_of_ipvs_becomes_the_error_an_operator_can_act_on() {
        let (dns, server) = (dns(), server());
        let whole = Subject::server(Operation::SetWeight, &dns, &server);

        assert!(matches!(refusal(whole, Errno::ESRCH), Error::NoService { service, .. } if service == dns));
        assert!(matches!(refusal(whole, Errno::ENOENT), Error::NoServer { server: s, .. } if s == server));
        assert!(
            matches!(refusal(whole, Errno::EEXIST), Error::Exists { server: Some(s), .. } if s == server)
        );
        assert!(matches!(
            refusal(whole, Errno::EPERM),
            Error::NotPermitted {
                operation: Operation::SetWeight
            }
        ));
    }

    #[test]
    fn a_missing_scheduler_is_not_taken_for_a_missing_server() {
        let dns = dns();
        let said = refusal(Subject::service(Operation::AddService, &dns), Errno::ENOENT).to_string();
        assert!(
            said.contains("modprobe ip_vs_<scheduler>") && said.contains("udp:10.0.0.1:53"),
            "{said}"
        );
    }

    #[test]
    fn every_text_names_operation_object_errno_and_remedy() {
        let (dns, server) = (dns(), server());
        let whole = Subject::server(Operation::RemoveDestination, &dns, &server);
        for (errno, words) in [
            (
                Errno::ESRCH,
                [
                    "remove the real server",
                    "udp:10.0.0.1:53",
                    "ESRCH",
                    "ipvsadm -Ln",
                ],
            ),
            (
                Errno::ENOENT,
                ["remove the real server", "10.1.0.5:53", "ENOENT", "ipvsadm -Ln"],
            ),
            (
                Errno::EEXIST,
                [
                    "remove the real server",
                    "10.1.0.5:53 of udp:10.0.0.1:53",
                    "EEXIST",
                    "remove it first",
                ],
            ),
            (
                Errno::EPERM,
                ["remove the real server", "IPVS", "EPERM", "CAP_NET_ADMIN"],
            ),
            (
                Errno::ERANGE,
                [
                    "remove the real server",
                    "10.1.0.5:53 of udp:10.0.0.1:53",
                    "ERANGE",
                    "2147483647",
                ],
            ),
            (
                Errno::EIO,
                [
                    "remove the real server",
                    "10.1.0.5:53 of udp:10.0.0.1:53",
                    "EIO",
                    "dmesg",
                ],
            ),
        ] {
            let said = refusal(whole, errno).to_string();
            for word in words {
                assert!(said.contains(word), "`{word}` is missing in: {said}");
            }
        }
        let said = Error::Unstable {
            service: Some(dns),
            attempts: 8,
        }
        .to_string();
        assert!(
            said.contains("read the real servers") && said.contains("udp:10.0.0.1:53"),
            "{said}"
        );
    }
}
