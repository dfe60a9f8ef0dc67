use serde::{Serialize, de::DeserializeOwned};
use whimbrel_model::{Code, limits};

/// Why bytes are not a frame, or a frame does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Over the limit.
    #[error("a frame of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not a frame of this protocol.
    #[error("not a frame of this protocol: {0}")]
    Invalid(String),
}

impl FrameError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Invalid(_) => Code::FrameInvalid,
        }
    }

    /// Returns false: the same bytes stay wrong.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Writes a frame.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`limits::FRAME_BYTES`].
pub fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let bytes = serde_json::to_vec(frame).map_err(|error| FrameError::Invalid(error.to_string()))?;
    check(bytes.len())?;
    Ok(bytes)
}

/// Reads a frame.
///
/// # Errors
/// [`FrameError`] for bytes that are too many, not JSON, nested deeper than 128, or of an unknown kind.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    check(bytes.len())?;
    serde_json::from_slice(bytes).map_err(|error| FrameError::Invalid(error.to_string()))
}

fn check(size: usize) -> Result<(), FrameError> {
    if size > limits::FRAME_BYTES {
        return Err(FrameError::TooLarge {
            size,
            limit: limits::FRAME_BYTES,
        });
    }
    Ok(())
}
