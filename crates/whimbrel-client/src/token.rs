use async_trait::async_trait;
use std::fmt::Debug;
pub use whimbrel_protocol::Token;

/// Where the client gets its tokens. Asked by one task at a time, only while online.
#[async_trait]
pub trait TokenProvider: Debug + Send + Sync + 'static {
    /// Returns a token. With `refresh` the last one was refused: a kept one is not good enough.
    ///
    /// # Errors
    /// [`TokenError`]: whether to ask again later, or to wait until the user signs in.
    async fn token(&self, refresh: bool) -> Result<Token, TokenError>;
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It could not be fetched now; it is asked for again, with backoff.
    #[error("a token could not be fetched: {0}")]
    Unavailable(String),
    /// The user has to sign in again. Nothing is lost; the outbox waits for [`Client::connect`](crate::Client::connect).
    #[error("signed out: {0}")]
    SignedOut(String),
}

impl TokenError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "token_unavailable",
            Self::SignedOut(_) => "signed_out",
        }
    }

    /// Returns whether asking again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// One token that never changes.
#[async_trait]
impl TokenProvider for Token {
    async fn token(&self, refresh: bool) -> Result<Token, TokenError> {
        if refresh {
            return Err(TokenError::SignedOut(
                "the server refused the one token that there is".to_owned(),
            ));
        }
        Ok(self.clone())
    }
}
