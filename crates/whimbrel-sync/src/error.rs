use whimbrel_model::{Invalid, OpId, UserId, limits};

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The operation breaks a rule that can be checked on the device.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The outbox is full.
    #[error(
        "the outbox holds {} operations, its limit: connect to send them, or discard some",
        limits::OUTBOX_ITEMS
    )]
    OutboxFull,
    /// There is no such operation in the outbox.
    #[error(
        "operation {0} is not in the outbox: it was decided, discarded, or became part of another before"
    )]
    NotInOutbox(OpId),
    /// The operation may have reached the server, so it cannot be taken back, only undone by another one.
    #[error("operation {0} may have reached the server already: undo it with a new operation instead")]
    Attempted(OpId),
    /// Only a rejected operation can be repeated.
    #[error("operation {0} still waits for its turn: it is sent by itself")]
    NotRejected(OpId),
    /// The database belongs to another account.
    #[error("this database belongs to {owner}, not to {asked}: each account has its own")]
    WrongAccount {
        /// Whose it is.
        owner: UserId,
        /// Who asked.
        asked: UserId,
    },
}

impl CommandError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Invalid(invalid) if invalid.code() == whimbrel_model::Code::TooLarge => "too_large",
            Self::Invalid(_) => "invalid",
            Self::OutboxFull => "outbox_full",
            Self::NotInOutbox(_) => "not_in_outbox",
            Self::Attempted(_) => "attempted",
            Self::NotRejected(_) => "not_rejected",
            Self::WrongAccount { .. } => "wrong_account",
        }
    }

    /// Returns whether the same command may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::OutboxFull)
    }
}
