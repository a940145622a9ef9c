//! The other end of the socket.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::access;
use super::drain_view::DrainView;
use super::flow_view::{FlowsAsked, FlowsView};
use super::health_view::{HealthList, HealthView};
use super::history_view::{HistoryAsked, HistoryView};
use super::plan_view::PlanView;
use super::report::ReportRequest;
use super::view::{DrainRequest, Problem, ServerName, Status};
use crate::identity::{RealServer, VirtualService};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "{socket}: no daemon answers: {source}; is `ipvsdrain daemon` running, and may you reach its socket?"
    )]
    Unreachable { socket: PathBuf, source: io::Error },
    #[error(
        "{socket}: you may not reach the daemon ({source}): it is for root and the group {group}; become a member \
         (`usermod -aG {group} USER`, then log in again), or use sudo"
    )]
    Forbidden {
        socket: PathBuf,
        group: String,
        source: io::Error,
    },
    #[error("{socket}: the daemon's answer to {request} broke off: {source}")]
    Broken {
        socket: PathBuf,
        request: String,
        source: hyper::Error,
    },
    #[error("{socket}: the daemon's answer to {request} cannot be read: {source}; is it of another version?")]
    Unreadable {
        socket: PathBuf,
        request: String,
        source: serde_json::Error,
    },
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// Asks a daemon, one connection per request.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", &()).await
    }

    pub async fn drain(&self, request: &DrainRequest) -> Result<DrainView, ClientError> {
        self.call(Method::POST, "/v1/drains", request).await
    }

    /// What would become of this request; nothing is changed.
    pub async fn plan(&self, request: &DrainRequest) -> Result<PlanView, ClientError> {
        self.call(Method::POST, "/v1/plans", request).await
    }

    pub async fn restore(&self, name: &ServerName) -> Result<DrainView, ClientError> {
        self.call(Method::POST, "/v1/restores", name).await
    }

    /// A word on the health of a server. `None`: nobody speaks of it any more.
    pub async fn report(&self, report: &ReportRequest) -> Result<Option<HealthView>, ClientError> {
        self.call(Method::POST, "/v1/reports", report).await
    }

    /// Every server that somebody spoke of.
    pub async fn health(&self) -> Result<HealthList, ClientError> {
        self.call(Method::GET, "/v1/health", &()).await
    }

    /// The drain as soon as it is newer than `after`; after some seconds even if it is not.
    pub async fn newer(&self, name: &ServerName, after: Option<u64>) -> Result<DrainView, ClientError> {
        let mut path = with_names("/v1/drains", &name.service, &name.server);
        if let Some(after) = after {
            path = format!("{path}&after={after}");
        }
        self.call(Method::GET, &path, &()).await
    }

    /// The flows of a real server that is being drained, those that moved last first.
    pub async fn flows(&self, asked: &FlowsAsked) -> Result<FlowsView, ClientError> {
        let path = with_names("/v1/flows", &asked.service, &asked.server);
        self.call(Method::GET, &format!("{path}&limit={}", asked.limit), &())
            .await
    }

    /// Drains over or not, newest first.
    pub async fn history(&self, asked: &HistoryAsked) -> Result<HistoryView, ClientError> {
        let mut path = format!("/v1/history?limit={}", asked.limit);
        let names = [
            asked.service.map(|service| format!("&service={service}")),
            asked.server.map(|server| format!("&server={server}")),
            asked.from.map(|from| format!("&from={from}")),
        ];
        path.extend(names.into_iter().flatten());
        self.call(Method::GET, &escaped(&path), &()).await
    }

    /// Whoever may not act is let in to look: the reading socket says itself what is not done over it.
    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let socket = || self.socket.clone();
        let source = match UnixStream::connect(&self.socket).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
            connected => {
                return connected.map_err(|source| ClientError::Unreachable {
                    socket: socket(),
                    source,
                });
            }
        };
        let reading = access::reading_socket(&self.socket);
        UnixStream::connect(&reading)
            .await
            .map_err(|_| ClientError::Forbidden {
                group: access::group_of(&self.socket),
                socket: socket(),
                source,
            })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let socket = || self.socket.clone();
        let request = || format!("{method} {path}");
        let broken = |source| ClientError::Broken {
            socket: socket(),
            request: request(),
            source,
        };
        let unreadable = |source| ClientError::Unreadable {
            socket: socket(),
            request: request(),
            source,
        };

        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let body = if method == Method::GET {
            Vec::new()
        } else {
            serde_json::to_vec(body).map_err(unreadable)?
        };
        let asked = Request::builder()
            .method(&method)
            .uri(path)
            .header("host", "ipvsdrain")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a method, a path of ours and two fixed headers make a request");
        let answer = sender.send_request(asked).await.map_err(broken)?;
        let is_success = answer.status().is_success();
        let bytes = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        driver.abort();
        if is_success {
            return serde_json::from_slice(&bytes).map_err(unreadable);
        }
        let problem: Problem = serde_json::from_slice(&bytes).map_err(unreadable)?;
        Err(problem.into())
    }
}

/// A path with a service and a server in its query.
fn with_names(path: &str, service: &VirtualService, server: &RealServer) -> String {
    escaped(&format!("{path}?service={service}&server={server}"))
}

/// Of what the names of services and servers hold, only `[` and `]` may not stand in a query.
fn escaped(path: &str) -> String {
    path.replace('[', "%5B").replace(']', "%5D")
}
