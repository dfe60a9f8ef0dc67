use std::{io, sync::Arc};

/// Why an archive could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It does not begin like one.
    #[error("this is not an archive of Whimbrel: choose another file")]
    NotAnArchive,
    /// It was made by a newer version of the software.
    #[error("the archive has format {found}, this version knows {supported}: update the software")]
    Newer {
        /// The format that it has.
        found: u64,
        /// The newest format that this version knows.
        supported: u64,
    },
    /// It cannot be decrypted with that passphrase or key.
    #[error("the archive cannot be decrypted with this passphrase or key: check which one it was made with")]
    WrongKey,
    /// It was cut or changed.
    #[error("the archive is damaged, nothing of it can be trusted: {0}")]
    Damaged(String),
    /// An element does not fit into a line.
    #[error("an element has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// What it is to be encrypted to is no key.
    #[error("what the archive is to be encrypted to is not the public key of a device")]
    NoKey,
    /// The file or stream failed.
    #[error("the archive could not be read or written: {0}")]
    Io(Arc<io::Error>),
}

impl ArchiveError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnArchive => "archive_not_one",
            Self::Newer { .. } => "archive_newer_format",
            Self::WrongKey => "archive_wrong_key",
            Self::Damaged(_) => "archive_damaged",
            Self::TooLong { .. } => "archive_element_too_long",
            Self::NoKey => "archive_no_key",
            Self::Io(_) => "archive_io",
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<age::DecryptError> for ArchiveError {
    fn from(error: age::DecryptError) -> Self {
        match error {
            age::DecryptError::Io(error) => error.into(),
            age::DecryptError::DecryptionFailed
            | age::DecryptError::KeyDecryptionFailed
            | age::DecryptError::NoMatchingKeys => Self::WrongKey,
            other => Self::Damaged(other.to_string()),
        }
    }
}
