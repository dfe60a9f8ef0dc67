use crate::{ConfigError, OpenError};
use std::{io, net::SocketAddr, path::PathBuf};
use whimbrel_hub::{AuthError, StorageError};
use whimbrel_model::Code;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A token cannot be made.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// Another program listens there.
    #[error("{address} is in use by another program: stop that one, or set `listen` to another port")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The file that tells the address cannot be written.
    #[error("the port file {path} cannot be written: {error}")]
    PortFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was asked for was decided against.
    #[error("{message}")]
    Refused {
        /// The stable code.
        code: Code,
        /// Why.
        message: String,
    },
    /// Logs cannot be set up.
    #[error("setting `log` cannot be used: {0}")]
    Log(String),
    /// The asynchronous runtime cannot be set up.
    #[error("the runtime cannot start: {0}")]
    Runtime(io::Error),
    /// Standard output is closed.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

impl StartError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Config(error) => error.code(),
            Self::Database(error) => error.code(),
            Self::Token(error) => error.code(),
            Self::Log(_) => Code::Invalid,
            Self::Storage(error) => error.code(),
            Self::Refused { code, .. } => code.clone(),
            _ => Code::Unavailable,
        }
    }

    /// Returns whether trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => error.is_retryable(),
            Self::AddressInUse { .. } => true,
            Self::Storage(error) => error.is_retryable(),
            _ => false,
        }
    }
}
