use async_trait::async_trait;
use std::fmt::Debug;
use whimbrel_model::{Code, Timestamp, UserId};
use whimbrel_protocol::Token;

/// Tells whose a token is.
#[async_trait]
pub trait Authenticate: Debug + Send + Sync + 'static {
    /// Checks a token.
    ///
    /// # Errors
    /// [`AuthError`]; only [`AuthError::Unavailable`] may change by itself.
    async fn authenticate(&self, token: &Token) -> Result<Identity, AuthError>;
}

/// Whose a token is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// When the token stops being good. Absent: never.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// Returns whether the token has expired at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why a token does not name a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// None was given.
    #[error("no token was given")]
    Missing,
    /// It is not one that this server accepts.
    #[error("the token is not accepted: {0}")]
    Invalid(String),
    /// It was good and is not any more.
    #[error("the token has expired: get a new one")]
    Expired,
    /// It cannot be checked now.
    #[error("the token cannot be checked now: {0}; try again later")]
    Unavailable(String),
}

impl AuthError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Missing => Code::TokenMissing,
            Self::Invalid(_) => Code::TokenInvalid,
            Self::Expired => Code::TokenExpired,
            Self::Unavailable(_) => Code::Unavailable,
        }
    }

    /// Returns whether trying again, with a new token if it has expired, may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
}
