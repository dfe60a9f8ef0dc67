//! What happens before a request reaches its handler, and around it.

use super::{App, Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use whimbrel_model::{Code, limits};

/// How long a request may take, its body included. A slow sender does not hold a connection for longer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Names under which people put tokens into addresses.
const TOKEN_NAMES: [&str; 4] = ["token", "access_token", "jwt", "authorization"];

/// Refuses web pages that are not allowed here, tokens in the address, and bodies that announce to be too long.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let checked = check_origin(&app, request.headers())
        .and_then(|()| check_address(request.uri()))
        .and_then(|()| check_length(request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Ends a request that takes too long. What it has queued is carried out all the same.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("the request took over {} s", REQUEST_DEADLINE.as_secs());
            Problem::new(Code::Unavailable, message).into_response()
        }
    }
}

/// Answers a panic with 500, and keeps the server going.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request handler panicked");
            Problem::new(Code::Unavailable, "the server failed on this request")
                .with_status(StatusCode::INTERNAL_SERVER_ERROR)
                .into_response()
        }
    }
}

fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = origin
        .split_once("://")
        .is_some_and(|(_, page)| host.is_some_and(|host| host.eq_ignore_ascii_case(page)));
    if is_own || app.config.allowed_origins.contains(&origin) {
        return Ok(());
    }
    let message = "pages of this origin may not talk to this server; `allowed_origins` lists those that may";
    Err(Problem::new(Code::Forbidden, message))
}

fn check_address(uri: &Uri) -> Result<(), Problem> {
    let query = uri.query().unwrap_or_default();
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    for name in names {
        if TOKEN_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let message =
                "a token in an address ends up in logs: use the Authorization header, or the hello frame";
            return Err(Problem::new(Code::Invalid, message));
        }
    }
    Ok(())
}

/// The limit holds for what is read, too; this spares reading it.
fn check_length(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > limits::FRAME_BYTES => Err(Problem::body_too_large()),
        _ => Ok(()),
    }
}
