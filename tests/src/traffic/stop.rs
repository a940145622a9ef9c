//! Asking a thread to stop, in a way it can await together with its sockets and a deadline.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::clock;

/// A request to stop, shared between who asks and who is asked. Once asked, it stays asked.
#[derive(Debug, Clone)]
pub struct Stop {
    event: Arc<EventFd>,
}

/// Why a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    pub stopped: bool,
    /// Which of the awaited descriptors are readable or failed, by their place.
    pub ready: Vec<usize>,
}

impl Stop {
    pub fn new() -> Result<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).context("cannot create an eventfd")?;
        Ok(Self {
            event: Arc::new(event),
        })
    }

    pub fn ask(&self) {
        // Only a counter at its limit makes this fail, and then the request is already there.
        let _ = self.event.write(1);
    }

    /// Waits until asked to stop, until one of `fds` is readable, or until `deadline`.
    pub fn wait(&self, fds: &[BorrowedFd<'_>], deadline: Option<Moment>) -> Result<Wake> {
        let mut polled = vec![PollFd::new(self.event.as_fd(), PollFlags::POLLIN)];
        polled.extend(fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
        wait(&mut polled, deadline)?;
        let ready = (0..fds.len())
            .filter(|place| polled[place + 1].any().unwrap_or(true))
            .collect();
        Ok(Wake {
            stopped: polled[0].any().unwrap_or(true),
            ready,
        })
    }

    /// True if asked to stop before `deadline`.
    pub fn wait_until(&self, deadline: Moment) -> Result<bool> {
        Ok(self.wait(&[], Some(deadline))?.stopped)
    }
}

/// Waits like [`Stop::wait`], with nobody who could ask to stop.
pub(super) fn wait_for(fds: &[BorrowedFd<'_>], deadline: Moment) -> Result<Vec<usize>> {
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    wait(&mut polled, Some(deadline))?;
    Ok((0..fds.len())
        .filter(|place| polled[*place].any().unwrap_or(true))
        .collect())
}

fn wait(polled: &mut [PollFd<'_>], deadline: Option<Moment>) -> Result<()> {
    let timeout = deadline.map(|deadline| TimeSpec::from_duration(deadline.since(clock::now())));
    match ppoll(polled, timeout, None) {
        // A signal is no reason to report anything: the caller looks at its deadline and waits again.
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("cannot poll the traffic's sockets"),
    }
}
