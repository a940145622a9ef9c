//! The client: one method for each thing that can be asked of IPVS, and errors that name what was asked for.
//!
//! It reads lists until they hold still ([`super::stable`]) and changes a destination only as a whole. It keeps no
//! state about services: whatever it returns was read for that call.

use std::fmt;
use std::io;

use nix::errno::Errno;
use tokio::sync::Mutex;

use super::error::{Error, Operation, Subject, refusal};
use super::model::{Destination, Info, Service, ServiceFlags, Timeouts};
use super::socket::{Socket, Width};
use super::stable::{ATTEMPTS, Coherence, Settling};
use super::wire::{self, Answer, Command, Failure, Request};
use crate::identity::{RealServer, VirtualService};

/// Two, because a list that is read twice must not be cut at the same places twice ([`super::stable`]).
struct Sockets {
    wide: Socket,
    narrow: Socket,
}

impl Sockets {
    async fn open() -> Result<Self, Failure> {
        Ok(Sockets {
            wide: Socket::open(Width::Wide).await?,
            narrow: Socket::open(Width::Narrow).await?,
        })
    }
}

/// IPVS in one network namespace.
pub struct Ipvs {
    sockets: Mutex<Sockets>,
}

impl fmt::Debug for Ipvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipvs").finish_non_exhaustive()
    }
}

impl Ipvs {
    /// Connects to the IPVS of the calling thread's network namespace, and stays there. From 6.1 on this loads `ip_vs`
    /// where it can be loaded; older kernels want `modprobe ip_vs` first, else this is [`Error::NotLoaded`].
    ///
    /// No privilege is needed for this call, but each of the others wants `CAP_NET_ADMIN` in the initial user
    /// namespace, reading included.
    pub async fn connect() -> Result<Self, Error> {
        match Sockets::open().await {
            Ok(sockets) => Ok(Ipvs {
                sockets: Mutex::new(sockets),
            }),
            Err(failure) => Err(failed(Subject::of(Operation::Connect), failure)),
        }
    }

    pub async fn info(&self) -> Result<Info, Error> {
        let subject = Subject::of(Operation::ReadInfo);
        wire::info(&self.ask_one(subject, Command::SetInfo, Request::info).await?)
    }

    pub async fn timeouts(&self) -> Result<Timeouts, Error> {
        let subject = Subject::of(Operation::ReadTimeouts);
        wire::timeouts(
            &self
                .ask_one(subject, Command::SetConfig, Request::timeouts)
                .await?,
        )
    }

    /// Sets the timeouts; 0 leaves one as it is.
    pub async fn set_timeouts(&self, timeouts: &Timeouts) -> Result<(), Error> {
        let subject = Subject::of(Operation::SetTimeouts);
        self.ask(subject, || Request::set_timeouts(timeouts))
            .await
            .map(drop)
    }

    pub async fn services(&self) -> Result<Vec<Service>, Error> {
        let subject = Subject::of(Operation::ReadServices);
        let decode = |attributes: &[u8]| wire::service(attributes);
        self.list(
            subject,
            Command::NewService,
            Request::services,
            decode,
            |service| service.identity,
        )
        .await
    }

    pub async fn service(&self, service: &VirtualService) -> Result<Service, Error> {
        self.read_service(Operation::ReadService, service).await
    }

    async fn read_service(&self, operation: Operation, service: &VirtualService) -> Result<Service, Error> {
        let subject = Subject::service(operation, service);
        wire::service(
            &self
                .ask_one(subject, Command::NewService, || Request::service(service))
                .await?,
        )
    }

    /// Adds a service without destinations; its statistics are ignored.
    pub async fn add_service(&self, service: &Service) -> Result<(), Error> {
        let subject = Subject::service(Operation::AddService, &service.identity);
        self.ask(subject, || Request::add_service(service))
            .await
            .map(drop)
    }

    /// Sets those flags of `mask` that are in `flags`, clears the others of `mask`, and returns the service as it was
    /// before. The kernel replaces the whole service at once, so a change that another hand makes between the read and
    /// the write is undone.
    pub async fn set_service_flags(
        &self,
        service: &VirtualService,
        flags: ServiceFlags,
        mask: ServiceFlags,
    ) -> Result<Service, Error> {
        let operation = Operation::SetServiceFlags;
        let before = self.read_service(operation, service).await?;
        let subject = Subject::service(operation, service);
        self.ask(subject, || Request::set_service(&before, flags, mask))
            .await?;
        Ok(before)
    }

    /// Removes a service with all its destinations.
    pub async fn remove_service(&self, service: &VirtualService) -> Result<(), Error> {
        let subject = Subject::service(Operation::RemoveService, service);
        self.ask(subject, || Request::remove_service(service))
            .await
            .map(drop)
    }

    /// The real servers of a service, newest first.
    pub async fn destinations(&self, service: &VirtualService) -> Result<Vec<Destination>, Error> {
        self.read_destinations(Operation::ReadDestinations, service).await
    }

    async fn read_destinations(
        &self,
        operation: Operation,
        service: &VirtualService,
    ) -> Result<Vec<Destination>, Error> {
        let subject = Subject::service(operation, service);
        let family = service.family();
        let decode = |attributes: &[u8]| wire::destination(family, attributes);
        let build = || Request::destinations(service);
        let found = self
            .list(subject, Command::NewDest, build, decode, |found| found.server)
            .await?;
        if found.is_empty() {
            // A service that does not exist has an empty list too, and the kernel calls that a success.
            self.read_service(operation, service).await?;
        }
        Ok(found)
    }

    pub async fn destination(
        &self,
        service: &VirtualService,
        server: &RealServer,
    ) -> Result<Destination, Error> {
        self.read_destination(Operation::ReadDestination, service, server)
            .await
    }

    /// The kernel has no way to ask for one destination: the list is read and searched.
    async fn read_destination(
        &self,
        operation: Operation,
        service: &VirtualService,
        server: &RealServer,
    ) -> Result<Destination, Error> {
        let found = self.read_destinations(operation, service).await?;
        found
            .into_iter()
            .find(|destination| destination.server == *server)
            .ok_or(Error::NoServer {
                service: *service,
                server: *server,
                operation,
            })
    }

    /// Sets the weight and returns the destination as it was before. The kernel replaces the whole destination at once:
    /// all else is written back as it was just read, so a change that another hand makes in between is undone.
    pub async fn set_weight(
        &self,
        service: &VirtualService,
        server: &RealServer,
        weight: u32,
    ) -> Result<Destination, Error> {
        let operation = Operation::SetWeight;
        let before = self.read_destination(operation, service, server).await?;
        let after = Destination {
            weight,
            ..before.clone()
        };
        let subject = Subject::server(operation, service, server);
        self.ask(subject, || Request::set_destination(service, &after))
            .await?;
        Ok(before)
    }

    /// Replaces all that is configured about a destination; its counters are ignored.
    pub async fn set_destination(
        &self,
        service: &VirtualService,
        destination: &Destination,
    ) -> Result<(), Error> {
        let subject = Subject::server(Operation::SetDestination, service, &destination.server);
        self.ask(subject, || Request::set_destination(service, destination))
            .await
            .map(drop)
    }

    /// Adds a destination; its counters are ignored. One that was removed a short while ago continues with its old
    /// counters and connections.
    pub async fn add_destination(
        &self,
        service: &VirtualService,
        destination: &Destination,
    ) -> Result<(), Error> {
        let subject = Subject::server(Operation::AddDestination, service, &destination.server);
        self.ask(subject, || Request::add_destination(service, destination))
            .await
            .map(drop)
    }

    /// Removes a destination at once, whatever it still carries.
    pub async fn remove_destination(
        &self,
        service: &VirtualService,
        server: &RealServer,
    ) -> Result<(), Error> {
        let subject = Subject::server(Operation::RemoveDestination, service, server);
        self.ask(subject, || Request::remove_destination(service, server))
            .await
            .map(drop)
    }

    /// Keeps each datagram that the kernel sends from now on: for a report about an answer that could not be read.
    pub async fn record(&self) {
        let mut sockets = self.sockets.lock().await;
        sockets.wide.recording = Some(Vec::new());
        sockets.narrow.recording = Some(Vec::new());
    }

    /// The datagrams kept since [`Ipvs::record`], those of each socket in the order they came. Ends the recording.
    pub async fn recorded(&self) -> Vec<Vec<u8>> {
        let mut sockets = self.sockets.lock().await;
        let mut datagrams = sockets.wide.recording.take().unwrap_or_default();
        datagrams.extend(sockets.narrow.recording.take().unwrap_or_default());
        datagrams
    }

    async fn ask(&self, subject: Subject<'_>, build: impl Fn() -> Request) -> Result<Answer, Error> {
        self.sockets
            .lock()
            .await
            .wide
            .ask(build)
            .await
            .map_err(|failure| failed(subject, failure))
    }

    /// Asks for one message and returns its attributes. Nothing is changed by asking, so a lost answer is asked for
    /// again.
    async fn ask_one(
        &self,
        subject: Subject<'_>,
        expected: Command,
        build: impl Fn() -> Request,
    ) -> Result<Vec<u8>, Error> {
        let mut sockets = self.sockets.lock().await;
        let mut attempt = 1;
        let answer = loop {
            match sockets.wide.ask(&build).await {
                Err(Failure::Overrun) if attempt < ATTEMPTS => attempt += 1,
                answer => break answer.map_err(|failure| failed(subject, failure))?,
            }
        };
        let mut messages = answer.messages.into_iter();
        messages
            .find(|(command, _)| Command::from(*command) == expected)
            .map(|(_, attributes)| attributes)
            .ok_or_else(|| Error::Malformed {
                message: "answer",
                attribute: format!("{expected:?}"),
                fault: "the kernel acknowledged the request without answering it".to_owned(),
            })
    }

    /// Reads a list until it holds still.
    async fn list<T, K: Ord>(
        &self,
        subject: Subject<'_>,
        expected: Command,
        build: impl Fn() -> Request,
        decode: impl Fn(&[u8]) -> Result<T, Error>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, Error> {
        let mut sockets = self.sockets.lock().await;
        let mut settling = Settling::new();
        for attempt in 0..ATTEMPTS {
            let socket = if attempt % 2 == 0 {
                &mut sockets.wide
            } else {
                &mut sockets.narrow
            };
            let answer = match socket.ask(&build).await {
                Err(Failure::Overrun) => Answer {
                    messages: Vec::new(),
                    coherence: Coherence::Broken,
                },
                answer => answer.map_err(|failure| failed(subject, failure))?,
            };
            let found = answer
                .messages
                .iter()
                .filter(|(command, _)| Command::from(*command) == expected)
                .map(|(_, attributes)| decode(attributes))
                .collect::<Result<Vec<T>, Error>>()?;
            if settling.settled(answer.coherence, found.iter().map(&key)) {
                return Ok(found);
            }
        }
        Err(Error::Unstable {
            service: subject.service.copied(),
            attempts: ATTEMPTS,
        })
    }
}

fn failed(subject: Subject<'_>, failure: Failure) -> Error {
    let operation = subject.operation;
    match failure {
        Failure::Refused(errno) => refusal(subject, errno),
        Failure::NotLoaded => Error::NotLoaded,
        Failure::Malformed(error) => error,
        Failure::Socket(source) => Error::Socket { operation, source },
        Failure::Overrun => Error::Socket {
            operation,
            source: io::Error::from(Errno::ENOBUFS),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawnable(_: impl Send) {}

    /// Compiling is the test: the loop that uses the client runs on several threads.
    #[expect(dead_code, reason = "never called: there is no IPVS under a unit test")]
    fn every_kind_of_call_can_be_spawned(ipvs: &Ipvs, service: &VirtualService, server: &RealServer) {
        spawnable(Ipvs::connect());
        spawnable(ipvs.services());
        spawnable(ipvs.set_weight(service, server, 0));
        spawnable(ipvs.set_service_flags(service, ServiceFlags::SCHED1, ServiceFlags::SCHED1));
        spawnable(ipvs.remove_destination(service, server));
    }
}
