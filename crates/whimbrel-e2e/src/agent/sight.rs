//! What a client shows, and a person would see.

use serde::{Deserialize, Serialize};
use whimbrel_model::MessageId;

/// Something that a client may show.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Somebody is online, or is not.
    Online {
        /// Who.
        user: String,
        /// Whether.
        online: bool,
    },
    /// An own message has got so far with everybody, or farther.
    Receipt {
        /// Where.
        cid: String,
        /// Which.
        id: MessageId,
        /// How far.
        reached: Reached,
    },
    /// A channel is among the requests, or is not.
    Request {
        /// Which.
        cid: String,
        /// Whether.
        there: bool,
    },
    /// A setting of the device has a value.
    Kept {
        /// Under which key.
        key: String,
        /// Which.
        value: String,
    },
}

/// How far a message has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// On a device of everybody.
    Delivered,
    /// Before everybody's eyes.
    Read,
}
