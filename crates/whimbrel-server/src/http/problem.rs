use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::time::Duration;
use whimbrel_hub::StorageError;
use whimbrel_model::{Code, Invalid, limits};
use whimbrel_protocol::{Bye, FrameError};

/// When to come back after an answer that may be another one later.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An answer that is not what was asked for: a status, and `{"code": …, "message": …}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Body {
    code: Code,
    message: String,
}

impl Problem {
    /// Creates one with the status that belongs to the code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let status = status_of(&code);
        let comes_back = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        Self {
            status,
            code,
            message: message.into(),
            retry_after: comes_back.then_some(RETRY_AFTER),
        }
    }

    /// Creates the answer to a body over the limit.
    pub(crate) fn body_too_large() -> Self {
        let message = format!("the body is over the limit of {} bytes", limits::FRAME_BYTES);
        Self::new(Code::TooLarge, message)
    }

    /// Replaces the status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

fn status_of(code: &Code) -> StatusCode {
    match code {
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::ChannelNotFound | Code::MessageNotFound => StatusCode::NOT_FOUND,
        Code::NotMember | Code::Forbidden => StatusCode::FORBIDDEN,
        Code::OpConflict | Code::IdConflict | Code::OutOfOrder => StatusCode::CONFLICT,
        Code::TokenMissing | Code::TokenInvalid | Code::TokenExpired => StatusCode::UNAUTHORIZED,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::ServerStopping => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.code,
            message: self.message,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Invalid> for Problem {
    fn from(error: Invalid) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<FrameError> for Problem {
    fn from(error: FrameError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<Bye> for Problem {
    fn from(bye: Bye) -> Self {
        Self {
            retry_after: bye.retry_after_ms.map(Duration::from_millis),
            ..Self::new(bye.code, bye.message)
        }
    }
}

impl From<whimbrel_hub::AuthError> for Problem {
    fn from(error: whimbrel_hub::AuthError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
