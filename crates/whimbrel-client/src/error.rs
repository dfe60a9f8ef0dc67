use crate::{ArchiveProblem, MarkUnreadError};
use std::sync::Arc;
use whimbrel_model::{Invalid, Rejection, UserId};
use whimbrel_query::QueryError;
use whimbrel_state::OutboxSummary;
use whimbrel_store::StoreError;
use whimbrel_sync::{AskError, CommandError, HistoryError, SyncError};
use whimbrel_transport::TransportError;

/// Why a call could not do what it was asked. Nothing that was queued before is touched by it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An id or a value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The engine refused the command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The database failed. Nothing was written.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A filter or an order that is none: where, why, and what to do.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A message cannot be the first unread one.
    #[error(transparent)]
    MarkUnread(#[from] MarkUnreadError),
    /// Older messages could not be fetched.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The server did not answer a question.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What was to be synced by hand did not come.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A push is for another account than this one.
    #[error("the push is for {asked}, this is {owner}: give it to the client of that account, or drop it")]
    OtherAccount {
        /// Whose client this is.
        owner: UserId,
        /// For whom the push is.
        asked: UserId,
    },
    /// An archive was not made or taken in.
    #[error(transparent)]
    Archive(#[from] ArchiveProblem),
    /// The server's address cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A required part was not given to the builder.
    #[error("the client needs {0}: call it on the builder before open()")]
    Missing(&'static str),
    /// The device did not catch up in the time that was given.
    #[error(
        "not caught up within {0:?}: everything is as it was, and goes on by itself; see the status for why"
    )]
    NotCaughtUp(std::time::Duration),
    /// The server did not answer in the time that was given.
    #[error("the server did not answer within {0:?}: ask again, or wait longer")]
    NoAnswer(std::time::Duration),
    /// The client had to start over while it did this.
    #[error(
        "the client started over from what is on disk meanwhile: look whether it was done, and else ask again"
    )]
    Interrupted,
    /// The client has let go of its database: [`Client::suspend`](crate::Client::suspend).
    #[error("the client is suspended: resume it, and ask again; everything queued is on disk")]
    Suspended,
    /// The account would lose what the server has not accepted: [`Client::logout`](crate::Client::logout).
    #[error(
        "{queued} operations are not sent and {rejected} were rejected: let them be sent, discard them, or log out with discard_unsent",
        queued = .0.queued, rejected = .0.rejected
    )]
    Unsent(OutboxSummary),
    /// A stream was not read for so long that it lost some of what it had to tell.
    #[error("{0} changes were missed: look how things are now, and go on")]
    Missed(u64),
    /// The client was closed.
    #[error("the client is closed: open it again, everything queued is on disk")]
    Closed,
}

impl Error {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Invalid(error) => error.code().to_string(),
            Self::Command(error) => error.code().to_owned(),
            Self::Store(error) => error.code().to_owned(),
            Self::Query(error) => error.code().to_string(),
            Self::MarkUnread(error) => error.code().to_owned(),
            Self::History(error) => error.code().to_owned(),
            Self::Ask(error) => error.code().to_owned(),
            Self::Sync(error) => error.code().to_owned(),
            Self::OtherAccount { .. } => "wrong_account".to_owned(),
            Self::Archive(error) => error.code().to_owned(),
            Self::Transport(error) => error.code().to_owned(),
            Self::Missing(_) => "builder_incomplete".to_owned(),
            Self::NotCaughtUp(_) => "not_caught_up".to_owned(),
            Self::NoAnswer(_) => "no_answer".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
            Self::Suspended => "suspended".to_owned(),
            Self::Unsent(_) => "unsent_operations".to_owned(),
            Self::Missed(_) => "changes_missed".to_owned(),
            Self::Closed => "client_closed".to_owned(),
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid(error) => error.is_retryable(),
            Self::Command(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            Self::Query(error) => error.is_retryable(),
            Self::MarkUnread(error) => error.is_retryable(),
            Self::History(error) => error.is_retryable(),
            Self::Ask(error) => error.is_retryable(),
            Self::Sync(error) => error.is_retryable(),
            Self::Archive(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
            Self::NotCaughtUp(_)
            | Self::NoAnswer(_)
            | Self::Interrupted
            | Self::Suspended
            | Self::Unsent(_)
            | Self::Missed(_) => true,
            Self::Missing(_) | Self::Closed | Self::OtherAccount { .. } => false,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Suspended => Self::Suspended,
            StoreError::Query(error) => Self::Query(error),
            error => Self::Store(Arc::new(error)),
        }
    }
}

/// Why an operation was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The server decided against it, or against one that it needs. It stays in the outbox with its content until
    /// it is repeated or discarded.
    #[error("not accepted ({code}): {message}", code = .0.code, message = .0.message)]
    Rejected(Rejection),
    /// The client was closed first. The operation is on disk, and goes out when the account is opened again.
    #[error("the client was closed before the server answered: the operation is kept and goes out later")]
    Closed,
}

impl SettleError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Rejected(rejection) => rejection.code.as_str(),
            Self::Closed => "client_closed",
        }
    }

    /// Returns whether waiting again, after opening the client again, may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
