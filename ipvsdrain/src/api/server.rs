//! The routes. They read what the supervisor shows and hand requests to it; nothing is decided here.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::access::{Access, group_name};
use super::drain_view::DrainView;
use super::events::events;
use super::flow_view::{FlowsAsked, FlowsView, LARGEST_LIMIT};
use super::health_view::{HealthList, HealthView};
use super::history_view::{HistoryAsked, HistoryView, LARGEST_PAST, PastDrain};
use super::plan_view::PlanView;
use super::report::ReportRequest;
pub use super::socket::SocketError;
use super::socket::listen;
use super::view::{Asked, DrainRequest, JournalView, Problem, ProblemKind, ServerName, Status};
use crate::clock;
use crate::drain::{Reason, Record, Refusal};
use crate::supervise::journal::Filter;
use crate::supervise::{Command, Handle, Order, Overview, RequestError, ServerHealth};

/// A waiting client is answered after this long even if nothing changed.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The bound API, not serving yet.
#[derive(Debug)]
pub struct Server {
    acting: (UnixListener, Router),
    reading: (UnixListener, Router),
}

impl Server {
    /// Listens on both sockets; requests wait there until [`Server::serve`] runs.
    pub async fn bind(access: &Access, handle: Handle) -> Result<Self, SocketError> {
        let acting = listen(&access.acting).await?;
        let reading = listen(&access.reading).await?;
        Ok(Self {
            acting: (acting, acts().merge(looks()).with_state(handle.clone())),
            reading: (reading, refuses_to_act(access).merge(looks()).with_state(handle)),
        })
    }

    /// Serves until dropped.
    pub async fn serve(self) -> std::io::Result<()> {
        let (listener, router) = self.acting;
        let acting = axum::serve(listener, router);
        let (listener, router) = self.reading;
        let reading = axum::serve(listener, router);
        tokio::select! {
            ended = acting => ended,
            ended = reading => ended,
        }
    }
}

/// What changes something, by path.
const ACTING: [&str; 3] = ["/v1/drains", "/v1/restores", "/v1/reports"];

fn acts() -> Router<Handle> {
    Router::new()
        .route(ACTING[0], post(begin))
        .route(ACTING[1], post(restore))
        .route(ACTING[2], post(report))
}

fn looks() -> Router<Handle> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/drains", get(shown))
        .route("/v1/plans", post(plan))
        .route("/v1/flows", get(flows))
        .route("/v1/history", get(history))
        .route("/v1/health", get(health))
        .route("/v1/events", get(events))
        .route("/v1/openapi.json", get(openapi))
}

/// The description of all this, for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

/// What the reading socket answers to a request that belongs to the other one.
fn refuses_to_act(access: &Access) -> Router<Handle> {
    let refusal = Problem {
        kind: ProblemKind::Forbidden,
        error: format!(
            "over {} one may look and not act: whoever is to act needs {}, which is for root and the group {}",
            access.reading.path.display(),
            access.acting.path.display(),
            group_name(access.acting.group),
        ),
    };
    ACTING.into_iter().fold(Router::new(), |router, path| {
        let refusal = refusal.clone();
        router.route(path, post(|| async move { refusal }))
    })
}

async fn status(State(handle): State<Handle>) -> Result<Json<Status>, Problem> {
    // Asked at once: the table and what is known of its servers are of one moment.
    let Overview {
        listing,
        attached,
        health,
        ..
    } = handle.ask(|reply| Command::Overview { reply }).await?;
    let services = listing.map_err(RequestError::Host)?;
    let drains = handle.drains.borrow().iter().map(DrainView::from).collect();
    let journal = JournalView::of(&handle.journal.borrow(), &services);
    let health = health.iter().map(|known| view(&handle, known)).collect();
    Ok(Json(Status {
        services,
        drains,
        health,
        attached,
        journal,
    }))
}

async fn begin(
    State(handle): State<Handle>,
    body: Result<Json<DrainRequest>, JsonRejection>,
) -> Result<Json<DrainView>, Problem> {
    let order = body?.0.into();
    let record = handle.ask(|reply| Command::Begin { order, reply }).await?;
    Ok(Json(DrainView::from(&record)))
}

async fn plan(
    State(handle): State<Handle>,
    body: Result<Json<DrainRequest>, JsonRejection>,
) -> Result<Json<PlanView>, Problem> {
    let order = body?.0.into();
    let plan = handle.ask(|reply| Command::Plan { order, reply }).await?;
    Ok(Json(PlanView::from(&plan)))
}

async fn restore(
    State(handle): State<Handle>,
    body: Result<Json<ServerName>, JsonRejection>,
) -> Result<Json<DrainView>, Problem> {
    let Json(ServerName { service, server }) = body?;
    let record = handle
        .ask(|reply| Command::Restore {
            service,
            server,
            reply,
        })
        .await?;
    Ok(Json(DrainView::from(&record)))
}

async fn report(
    State(handle): State<Handle>,
    body: Result<Json<ReportRequest>, JsonRejection>,
) -> Result<Json<Option<HealthView>>, Problem> {
    let finding = body?.0.finding(clock::now())?;
    let known = handle.ask(|reply| Command::Report { finding, reply }).await?;
    Ok(Json(known.map(|known| view(&handle, &known))))
}

async fn health(State(handle): State<Handle>) -> Result<Json<HealthList>, Problem> {
    let known = handle.ask(|reply| Command::Health { reply }).await?;
    let servers = known.iter().map(|known| view(&handle, known)).collect();
    Ok(Json(HealthList { servers }))
}

/// Every server that somebody spoke of.
fn view(handle: &Handle, known: &ServerHealth) -> HealthView {
    let drains = handle.drains.borrow();
    let newest = drains
        .iter()
        .find(|record| (record.service, record.server) == (known.service, known.server));
    HealthView::of(known, newest)
}

async fn shown(
    State(handle): State<Handle>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<DrainView>, Problem> {
    let Query(asked) = asked?;
    let mut drains = handle.drains.clone();
    let find = |records: &[Record]| {
        let of = |record: &&Record| (record.service, record.server) == (asked.service, asked.server);
        records.iter().find(of).map(DrainView::from)
    };
    // A drain that is over has no newer revision to wait for.
    let is_news = |view: &DrainView| view.over || asked.after.is_none_or(|after| view.revision > after);
    let newer = drains.wait_for(|records| find(records).is_none_or(|view| is_news(&view)));
    drop(timeout(LONGEST_WAIT, newer).await);
    let found = find(&handle.drains.borrow());
    let condition = handle.journal.borrow().clone();
    if let Some(fault) = condition.fault.filter(|_| !condition.drains_known) {
        return Err(RequestError::Journal(fault).into());
    }
    found.map(Json).ok_or_else(|| Problem {
        kind: ProblemKind::NotFound,
        error: format!(
            "there is no drain of {} from {}: `ipvsdrain status` lists the drains",
            asked.server, asked.service
        ),
    })
}

async fn flows(
    State(handle): State<Handle>,
    asked: Result<Query<FlowsAsked>, QueryRejection>,
) -> Result<Json<FlowsView>, Problem> {
    let Query(asked) = asked?;
    let FlowsAsked {
        service,
        server,
        limit,
    } = asked;
    check_limit(limit, "flows", LARGEST_LIMIT)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let details = handle
        .ask(|reply| Command::Flows {
            service,
            server,
            limit,
            reply,
        })
        .await?;
    let drains = handle.drains.borrow();
    let record = drains
        .iter()
        .find(|record| (record.service, record.server) == (service, server));
    Ok(Json(FlowsView::of(asked, &details, record)))
}

async fn history(
    State(handle): State<Handle>,
    asked: Result<Query<HistoryAsked>, QueryRejection>,
) -> Result<Json<HistoryView>, Problem> {
    let Query(HistoryAsked {
        service,
        server,
        from,
        limit,
    }) = asked?;
    check_limit(limit, "drains", LARGEST_PAST)?;
    let filter = Filter {
        service,
        server,
        from,
        until: None,
        limit,
    };
    let records = handle.ask(|reply| Command::History { filter, reply }).await?;
    let drains = records.iter().map(PastDrain::from).collect();
    Ok(Json(HistoryView { drains }))
}

fn check_limit(limit: u32, of: &str, largest: u32) -> Result<(), Problem> {
    if (1..=largest).contains(&limit) {
        return Ok(());
    }
    Err(Problem {
        kind: ProblemKind::Malformed,
        error: format!("a limit of {limit} {of} cannot be met: ask for 1 to {largest}"),
    })
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let kind = match &error {
            RequestError::Refused(refusal) => match refusal {
                Refusal::NoService(_) | Refusal::NoServer { .. } | Refusal::NothingToRestore { .. } => {
                    ProblemKind::NotFound
                }
                Refusal::Policy(_) | Refusal::ForceNeedsReason => ProblemKind::Malformed,
                Refusal::TableUnknown(_) => ProblemKind::Failed,
                Refusal::SchedulerDrops { .. }
                | Refusal::SchedulerAlwaysDrops { .. }
                | Refusal::Floor { .. }
                | Refusal::WeightUnknown { .. }
                | Refusal::AlreadyDraining { .. }
                | Refusal::NotOver { .. } => ProblemKind::Refused,
            },
            RequestError::NotWatched { .. } => ProblemKind::NotFound,
            RequestError::Journal(_)
            | RequestError::Unread(_)
            | RequestError::Host(_)
            | RequestError::Stopping => ProblemKind::Failed,
        };
        Problem {
            kind,
            error: error.to_string(),
        }
    }
}

impl From<DrainRequest> for Order {
    fn from(request: DrainRequest) -> Self {
        let DrainRequest {
            service,
            server,
            policy,
            who,
            why,
            ticket,
            force,
        } = request;
        Self {
            service,
            server,
            policy,
            reason: Reason::Planned,
            who,
            why,
            ticket,
            forced: force,
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        malformed("the request's body", &rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        malformed("the request's query", &rejection.body_text())
    }
}

/// What is wrong with it, without how it was found out.
fn malformed(what: &str, text: &str) -> Problem {
    let fault = [
        "Failed to parse the request body as JSON: ",
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to deserialize query string: ",
    ]
    .into_iter()
    .find_map(|told| text.strip_prefix(told));
    Problem {
        kind: ProblemKind::Malformed,
        error: format!("{what}: {}", fault.unwrap_or(text)),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match self.kind {
            ProblemKind::Malformed => StatusCode::BAD_REQUEST,
            ProblemKind::Refused => StatusCode::CONFLICT,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(self)).into_response()
    }
}
