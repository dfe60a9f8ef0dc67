use whimbrel_model::Code;

/// Why older messages did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is no live connection, or it broke before the answer.
    #[error("older messages are on the server, and there is no connection to it now")]
    NotConnected,
    /// The server refused.
    #[error("the server refused to send older messages: {message}")]
    Refused {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
    },
}

impl HistoryError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Refused { code, .. } => code.as_str(),
        }
    }

    /// Returns whether asking again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotConnected => true,
            Self::Refused { code, .. } => code.is_retryable(),
        }
    }
}
