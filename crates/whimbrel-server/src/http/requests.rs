//! The same requests as over the socket, one at a time.

use super::{App, Problem};
use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use whimbrel_hub::{AuthError, Authenticate};
use whimbrel_model::{
    ChannelId, Code, Cursor, Epoch, HistoryFrom, MessageId, SnapshotWindow, StreamId, Timestamp, UserId,
    limits,
};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Ops, Page, Question, Results, Token, decode};

/// How long a development token is good.
const DEV_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
pub(super) struct HeadsQuery {
    since: Option<String>,
}

/// A cursor, in pieces. Without `epoch` and `ver` there is none.
#[derive(Deserialize)]
pub(super) struct SyncQuery {
    stream: StreamId,
    epoch: Option<u64>,
    ver: Option<u64>,
    seq: Option<u64>,
    window_lo: Option<u64>,
    window_ver: Option<u64>,
    newest: Option<u32>,
}

/// A place, in one of these. Without any, the newest.
#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    cid: ChannelId,
    before: Option<u64>,
    after: Option<u64>,
    around: Option<u64>,
    around_message: Option<MessageId>,
    around_time: Option<i64>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct TokenRequest {
    user: UserId,
}

#[derive(Serialize)]
pub(super) struct TokenAnswer {
    token: String,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// `POST /v1/ops`
pub(super) async fn ops(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Results>, Problem> {
    let user = user_of(&app, &headers).await?;
    let Ops { ops } = decode(&whole(body)?)?;
    if ops.len() > limits::OPS_PER_BATCH {
        let message = format!("{} operations, the limit is {}", ops.len(), limits::OPS_PER_BATCH);
        return Err(Problem::new(Code::TooLarge, message));
    }
    let results = app.hub.ops(&user, ops).await;
    Ok(Json(Results { results }))
}

/// `GET /v1/heads`
pub(super) async fn heads(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Asked<HeadsQuery>,
) -> Result<Json<HeadsPage>, Problem> {
    let user = user_of(&app, &headers).await?;
    let query = asked(query)?;
    Ok(Json(app.hub.heads(&user, query.since.as_deref()).await?))
}

/// `GET /v1/sync`
pub(super) async fn sync(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Asked<SyncQuery>,
) -> Result<Json<Page>, Problem> {
    let user = user_of(&app, &headers).await?;
    let query = asked(query)?;
    let cursor = query.cursor()?;
    let page = match query.newest {
        None => app.hub.page(&user, &query.stream, cursor).await?,
        Some(newest) => app.hub.capped_page(&user, &query.stream, cursor, newest).await?,
    };
    Ok(Json(page))
}

/// `GET /v1/history`
pub(super) async fn history(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Asked<HistoryQuery>,
) -> Result<Json<HistoryPage>, Problem> {
    let user = user_of(&app, &headers).await?;
    let query = asked(query)?;
    let limit = query.limit.unwrap_or(limits::PAGE_ROWS);
    Ok(Json(
        app.hub.history(&user, &query.cid, query.from()?, limit).await?,
    ))
}

/// `POST /v1/query`
pub(super) async fn query(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Answer>, Problem> {
    let user = user_of(&app, &headers).await?;
    let question: Question = decode(&whole(body)?)?;
    Ok(Json(app.hub.ask(&user, &question).await?))
}

/// `POST /v1/dev/token`, in development only
pub(super) async fn dev_token(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TokenAnswer>, Problem> {
    if !app.config.auth.dev {
        let message = "this server gives no tokens: it does not run with `dev`";
        return Err(Problem::new(Code::Forbidden, message).with_status(StatusCode::NOT_FOUND));
    }
    if !is_local(&headers) {
        let message = "development tokens are for this machine: ask at 127.0.0.1 or localhost";
        return Err(Problem::new(Code::Forbidden, message));
    }
    let TokenRequest { user } = decode(&whole(body)?)?;
    let lifetime = DEV_TOKEN_LIFETIME.min(app.config.auth.max_lifetime);
    let token = app
        .tokens
        .mint(&user, lifetime, app.clock.now())
        .map_err(|error| Problem::new(error.code(), error.to_string()))?;
    Ok(Json(TokenAnswer { token }))
}

impl HistoryQuery {
    fn from(&self) -> Result<HistoryFrom, Problem> {
        let places = [
            self.before.map(HistoryFrom::Before),
            self.after.map(HistoryFrom::After),
            self.around.map(HistoryFrom::Around),
            self.around_message.map(HistoryFrom::AroundMessage),
            self.around_time.map(|at| HistoryFrom::AroundTime(Timestamp(at))),
        ];
        let mut places = places.into_iter().flatten();
        match (places.next(), places.next()) {
            (place, None) => Ok(place.unwrap_or_default()),
            _ => {
                let message =
                    "one of `before`, `after`, `around`, `around_message` and `around_time` at the most";
                Err(Problem::new(Code::Invalid, message))
            }
        }
    }
}

impl SyncQuery {
    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let (Some(epoch), Some(ver)) = (self.epoch, self.ver) else {
            if self.epoch.is_some() || self.ver.is_some() || self.seq.is_some() {
                let message = "a cursor needs both `epoch` and `ver`";
                return Err(Problem::new(Code::Invalid, message));
            }
            return Ok(None);
        };
        let window = match (self.window_lo, self.window_ver) {
            (Some(lo), Some(ver)) => Some(SnapshotWindow { lo, ver }),
            (None, None) => None,
            _ => {
                let message = "a window needs both `window_lo` and `window_ver`";
                return Err(Problem::new(Code::Invalid, message));
            }
        };
        Ok(Some(Cursor {
            epoch: Epoch(epoch),
            ver,
            seq: self.seq.unwrap_or(0),
            window,
        }))
    }
}

async fn user_of(app: &App, headers: &HeaderMap) -> Result<UserId, Problem> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or(AuthError::Missing)?
        .to_str()
        .map_err(|_| AuthError::Invalid("the header is not text".to_owned()))?;
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| AuthError::Invalid("the header must be `Bearer <token>`".to_owned()))?;
    Ok(app.authenticate(&Token::new(token)).await?.user)
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(),
        _ => Problem::new(Code::Invalid, error.body_text()),
    })
}

fn asked<T>(query: Asked<T>) -> Result<T, Problem> {
    query
        .map(|Query(query)| query)
        .map_err(|error| Problem::new(Code::Invalid, error.body_text()))
}

/// A page of another site that has its name point here would ask under that name.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.unwrap_or_default();
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}
