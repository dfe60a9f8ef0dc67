//! The routes.

mod door;
mod problem;
mod requests;
mod socket;

pub(crate) use socket::Guest;

use crate::{Config, SqliteStorage, Tokens};
use async_trait::async_trait;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use problem::Problem;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use whimbrel_hub::{AuthError, Authenticate, Clock, Hub, Identity};
use whimbrel_model::{Code, limits};
use whimbrel_protocol::Token;

/// What every request may use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) storage: Arc<SqliteStorage>,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    /// Set once the server stops: what has not begun is refused.
    pub(crate) stopping: CancellationToken,
}

#[async_trait]
impl Authenticate for App {
    async fn authenticate(&self, token: &Token) -> Result<Identity, AuthError> {
        self.tokens.verify(token.expose(), self.clock.now())
    }
}

/// Makes the routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let requests = Router::new()
        .route("/ops", post(requests::ops))
        .route("/heads", get(requests::heads))
        .route("/sync", get(requests::sync))
        .route("/history", get(requests::history))
        .route("/query", post(requests::query))
        .route("/dev/token", post(requests::dev_token))
        .layer(middleware::from_fn(door::deadline))
        .route("/socket", get(socket::open))
        .layer(middleware::from_fn_with_state(app.clone(), door::guard));
    Router::new()
        .nest("/v1", requests)
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(limits::FRAME_BYTES))
        .layer(middleware::from_fn(door::catch_panic))
        .with_state(app)
}

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(Code::ServerStopping, "the server is stopping"));
    }
    app.storage.ping().await?;
    Ok("ready")
}

async fn nothing_here() -> Problem {
    let message = "there is nothing at this address; the protocol document lists what there is";
    Problem::new(Code::Invalid, message).with_status(StatusCode::NOT_FOUND)
}

async fn not_this_way() -> Problem {
    let message = "this address does not take that method";
    Problem::new(Code::Invalid, message).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
