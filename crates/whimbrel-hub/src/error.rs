use whimbrel_model::{ChannelId, Code, MessageId, StreamId};

/// Why a storage could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The user may not see what was asked for.
    #[error("{message}")]
    Denied {
        /// The stable code: `channel_not_found`, `not_member`, `message_not_found` or `forbidden`.
        code: Code,
        /// Why, in words.
        message: String,
    },
    /// The question cannot be answered as it is: it breaks a rule, or asks for too much.
    #[error("{message}")]
    Refused {
        /// The stable code: `invalid` or `too_large`.
        code: Code,
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// The database cannot be reached or is busy. The same call may succeed later.
    #[error("the database cannot be used now: {0}; try again later")]
    Unavailable(String),
    /// What was stored cannot be read back. Someone has to look at it.
    #[error("the database holds a value that cannot be read: {0}; restore it from a backup")]
    Corrupt(String),
    /// The storage was closed.
    #[error("the database is closed")]
    Closed,
}

impl StorageError {
    /// Creates the refusal for a channel that does not exist, or that the user was never in.
    #[must_use]
    pub fn channel_not_found(cid: &ChannelId) -> Self {
        Self::Denied {
            code: Code::ChannelNotFound,
            message: format!("there is no channel {cid} for this user"),
        }
    }

    /// Creates the refusal for a channel that the user was in once.
    #[must_use]
    pub fn not_member(cid: &ChannelId) -> Self {
        Self::Denied {
            code: Code::NotMember,
            message: format!("the user is not a member of {cid} any more"),
        }
    }

    /// Creates the refusal for a message that the channel does not have.
    #[must_use]
    pub fn message_not_found(cid: &ChannelId, id: MessageId) -> Self {
        Self::Denied {
            code: Code::MessageNotFound,
            message: format!("there is no message {id} in {cid}"),
        }
    }

    /// Creates the refusal for a stream that belongs to another user.
    #[must_use]
    pub fn forbidden(stream: &StreamId) -> Self {
        Self::Denied {
            code: Code::Forbidden,
            message: format!("the stream {stream} belongs to another user"),
        }
    }

    /// Returns the stable code to answer a client with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Denied { code, .. } | Self::Refused { code, .. } => code.clone(),
            Self::Unavailable(_) | Self::Corrupt(_) | Self::Closed => Code::Unavailable,
        }
    }

    /// Returns whether the same call may succeed later, on this storage.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
