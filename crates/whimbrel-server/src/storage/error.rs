use std::{io, path::PathBuf};
use whimbrel_hub::StorageError;
use whimbrel_model::Code;

/// Why a database cannot be opened. The file was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A newer server wrote it.
    #[error("the database {path} has schema {found}, this server knows up to {known}: use a newer server")]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// It belongs to another program.
    #[error("the file {path} is not a database of a Whimbrel server: give another path")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another process serves it.
    #[error("the database {path} is in use by another server: stop that one, or give another path")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("the database {path} cannot be opened: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// SQLite refuses.
    #[error("the database {path} cannot be opened: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: sqlx::Error,
    },
    /// The SQLite that was linked can lose data.
    #[error("SQLite {found} was linked, and 3.51.3 is needed: older ones can corrupt a database")]
    OldSqlite {
        /// Its version.
        found: String,
    },
}

impl OpenError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NewerSchema { .. } | Self::NotOurs { .. } | Self::OldSqlite { .. } => Code::Invalid,
            Self::InUse { .. } | Self::Io { .. } | Self::Sqlite { .. } => Code::Unavailable,
        }
    }

    /// Returns whether trying again later may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}

/// Translates what SQLite says while the database is open.
pub(super) fn unusable(error: sqlx::Error) -> StorageError {
    match error {
        sqlx::Error::PoolClosed => StorageError::Closed,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StorageError::Corrupt(error.to_string())
        }
        other => StorageError::Unavailable(other.to_string()),
    }
}
