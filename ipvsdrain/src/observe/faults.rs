//! What aya and the kernel answer when they refuse, as errors that name the operation, the errno and the remedy.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use super::error::ObserveError;
use super::facts::TRACED;
use super::object::Object;

/// How many lines of the verifier's log an error carries; the reason stands at its end.
const LOG_LINES: usize = 12;

pub(super) fn broken(object: &Object, fault: String) -> ObserveError {
    ObserveError::BrokenObject {
        object: object.name.clone(),
        fault,
    }
}

fn is_denied(fault: &io::Error) -> bool {
    fault.kind() == io::ErrorKind::PermissionDenied
}

/// The same error again: `io::Error` cannot be cloned, its number can.
fn same(fault: &io::Error) -> io::Error {
    fault.raw_os_error().map_or_else(
        || io::Error::other(fault.to_string()),
        io::Error::from_raw_os_error,
    )
}

pub(super) fn load_fault(object: &Object, fault: EbpfError) -> ObserveError {
    match fault {
        EbpfError::MapError(MapError::CreateError { io_error, .. }) if is_denied(&io_error) => {
            ObserveError::Permission {
                operation: "creating eBPF maps",
                source: io_error,
            }
        }
        EbpfError::MapError(fault) => map_fault("creating eBPF maps", &fault),
        other => broken(object, with_causes(&other)),
    }
}

pub(super) fn map_fault(operation: &'static str, fault: &MapError) -> ObserveError {
    match fault {
        MapError::SyscallError(call) if is_denied(&call.io_error) => ObserveError::Permission {
            operation,
            source: same(&call.io_error),
        },
        other => ObserveError::Kernel {
            operation,
            fault: with_causes(other),
        },
    }
}

pub(super) fn verify_fault(fault: ProgramError) -> ObserveError {
    match fault {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
            // Without a log the verifier was never asked: the caller may not load programs at all.
            if lines.is_empty() && is_denied(&io_error) {
                return ObserveError::Permission {
                    operation: "loading eBPF programs",
                    source: io_error,
                };
            }
            let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            ObserveError::Rejected {
                program: TRACED,
                source: io_error,
                log,
            }
        }
        other => ObserveError::Kernel {
            operation: "loading eBPF programs",
            fault: with_causes(&other),
        },
    }
}

pub(super) fn attach_fault(fault: ProgramError) -> ObserveError {
    match fault {
        ProgramError::SyscallError(call) if is_denied(&call.io_error) => ObserveError::Permission {
            operation: "attaching a kprobe",
            source: call.io_error,
        },
        ProgramError::SyscallError(call) => ObserveError::NotTraceable {
            function: TRACED,
            source: call.io_error,
        },
        other => ObserveError::NotTraceable {
            function: TRACED,
            source: io::Error::other(with_causes(&other)),
        },
    }
}

/// An error and its causes in one line: aya keeps the errno in the cause.
pub(super) fn with_causes(fault: &dyn std::error::Error) -> String {
    let mut said = fault.to_string();
    let mut cause = fault.source();
    while let Some(fault) = cause {
        let text = fault.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = fault.source();
    }
    said
}
