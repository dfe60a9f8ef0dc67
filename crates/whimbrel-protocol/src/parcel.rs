//! What one device leaves at the server for another one of its account. The server carries it, and cannot read it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use uuid::Uuid;
use whimbrel_model::limits;

/// Puts or gets a part of a parcel. See [`ClientFrame::Parcel`](crate::ClientFrame::Parcel).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// The request of a device that the parcel answers.
    pub request: Uuid,
    /// What to do.
    pub act: ParcelAct,
}

/// What to do with a [`Parcel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParcelAct {
    /// Leave a part, from this device.
    Put(PutPart),
    /// Fetch a part of what was offered to this device.
    Get {
        /// Where it begins.
        #[serde(deserialize_with = "whimbrel_model::number::exact")]
        offset: u64,
    },
}

/// See [`ParcelAct::Put`]. Without bytes it only asks how far the server has the parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPart {
    /// How long the whole is, at most [`limits::PARCEL_BYTES`].
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub total: u64,
    /// SHA-256 of the whole, in hexadecimal. Of two parcels from one device for one request the later takes the place of the
    /// earlier.
    pub sha256: String,
    /// Where the bytes begin. The server takes them if it has exactly what comes before.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub offset: u64,
    /// The bytes.
    pub bytes: PartBytes,
}

/// Answers a [`Parcel`]. See [`ServerFrame::Parcel`](crate::ServerFrame::Parcel).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelPage {
    /// The request's id.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// Where to go on: up to there the server has it, or up to there it was sent.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub next: u64,
    /// How long the whole is.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub total: u64,
    /// The part that was asked for; of one that was put, nothing.
    #[serde(default, skip_serializing_if = "PartBytes::is_empty")]
    pub bytes: PartBytes,
}

/// Bytes of a parcel, at most [`limits::PARCEL_PART_BYTES`]. On the wire: base64, with padding.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PartBytes(pub Vec<u8>);

impl PartBytes {
    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for PartBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartBytes({} bytes)", self.0.len())
    }
}

impl Serialize for PartBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for PartBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        if bytes.len() > limits::PARCEL_PART_BYTES {
            return Err(D::Error::custom(format_args!(
                "a part has {} bytes, the limit is {}",
                bytes.len(),
                limits::PARCEL_PART_BYTES
            )));
        }
        Ok(Self(bytes))
    }
}
