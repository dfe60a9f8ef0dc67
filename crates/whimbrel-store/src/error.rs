use std::path::PathBuf;
use whimbrel_query::QueryError;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database was made by a newer version of the software.
    #[error(
        "the database {path:?} has schema {found}, this version knows {supported}: update the software, the data is untouched"
    )]
    NewerSchema {
        /// Which database.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The newest schema that this version knows.
        supported: i64,
    },
    /// The database cannot be opened or created at that place.
    #[error("cannot open the database {path:?}: {reason}")]
    CannotOpen {
        /// Which database.
        path: PathBuf,
        /// What to look at.
        reason: String,
    },
    /// Another process holds the database.
    #[error("the database {path:?} is in use by another process: close that one, or use another directory")]
    InUse {
        /// Which database.
        path: PathBuf,
    },
    /// The store was opened for reading only.
    #[error("the database {path:?} was opened for reading only: open it for writing to change it")]
    ReadOnly {
        /// Which database.
        path: PathBuf,
    },
    /// The disk is full. Nothing was written.
    #[error("the disk is full: nothing was written, and nothing was lost")]
    DiskFull,
    /// What was asked is not a query of what it was asked of.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The store has let go of the database for a while.
    #[error("the store is suspended: resume it, and ask again")]
    Suspended,
    /// Not everything that was stored could be deleted.
    #[error("the database could not be deleted: {0}")]
    CannotDelete(String),
    /// What was stored cannot be read back.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
    /// Anything else that the storage engine reports. Nothing of the delta was written.
    #[error("the storage engine failed: {0}")]
    Engine(String),
}

impl StoreError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NewerSchema { .. } => "store_newer_schema",
            Self::CannotOpen { .. } => "store_cannot_open",
            Self::InUse { .. } => "store_in_use",
            Self::ReadOnly { .. } => "store_read_only",
            Self::DiskFull => "store_disk_full",
            Self::Query(_) => "store_query",
            Self::Closed => "store_closed",
            Self::Suspended => "store_suspended",
            Self::CannotDelete(_) => "store_cannot_delete",
            Self::Corrupt(_) => "store_corrupt",
            Self::Engine(_) => "store_engine",
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::InUse { .. } | Self::DiskFull | Self::Suspended | Self::Engine(_)
        )
    }
}
