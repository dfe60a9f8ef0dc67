use std::time::Duration;

/// Why a connection could not be made, or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address cannot be used.
    #[error("cannot use the address {address:?}: {reason}")]
    Address {
        /// Which address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answered, or what answered was not a Whimbrel server.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Which address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Something did not happen in time.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The deadline.
        limit: Duration,
    },
    /// A frame is over the limit.
    #[error("a frame of {size} bytes is over the limit of {limit}")]
    FrameTooLarge {
        /// Its bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// What arrived is not a frame of text.
    #[error("the other side broke the transport protocol: {0}")]
    Protocol(String),
    /// The other side closed the connection.
    #[error("the connection was closed: {0}")]
    Closed(String),
}

impl TransportError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "transport_address",
            Self::Connect { .. } => "transport_connect",
            Self::Timeout { .. } => "transport_timeout",
            Self::FrameTooLarge { .. } => "transport_frame_too_large",
            Self::Protocol(_) => "transport_protocol",
            Self::Closed(_) => "transport_closed",
        }
    }

    /// Returns whether connecting again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Address { .. })
    }
}
