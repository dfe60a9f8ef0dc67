use crate::{ChannelId, Invalid, Row, UserId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A sequence of changes with one dense version number: a channel, or a user's own control stream.
///
/// Written `C:<cid>` or `U:<user>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StreamId {
    /// A user's own stream: memberships, drafts and profile. Sorts first: it says which channels there are.
    User(UserId),
    /// A channel's stream: its row, members, messages, reactions and read positions.
    Channel(ChannelId),
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(cid) => write!(f, "C:{cid}"),
            Self::User(user) => write!(f, "U:{user}"),
        }
    }
}

impl FromStr for StreamId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once(':') {
            Some(("C", cid)) => Ok(Self::Channel(ChannelId::new(cid)?)),
            Some(("U", user)) => Ok(Self::User(UserId::new(user)?)),
            _ => Err(Invalid::new(
                "stream",
                format!("must be C:<cid> or U:<user>, got {text:?}"),
            )),
        }
    }
}

impl TryFrom<String> for StreamId {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}

/// Which history of the server a number belongs to. A restored database has another epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(#[serde(deserialize_with = "crate::number::exact")] pub u64);

/// How far a device has followed a stream: every change up to `ver` is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The history that the numbers belong to.
    pub epoch: Epoch,
    /// The last version that is covered. 0: none.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
    /// The last message sequence that is covered; in a user stream 0. It moves only when a page chain is complete.
    #[serde(default, deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// Present while the pages of a snapshot are coming in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<SnapshotWindow>,
}

/// What a snapshot leaves out: messages before `lo`, and reactions to them, whose last change is not after `ver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotWindow {
    /// The first message sequence of the window.
    #[serde(deserialize_with = "crate::number::exact")]
    pub lo: u64,
    /// The stream's version when the snapshot began.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// The newest position of a stream, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last version.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
    /// The last message sequence; in a user stream 0.
    #[serde(default, deserialize_with = "crate::number::exact")]
    pub seq: u64,
}

impl Head {
    /// Returns the larger of each number.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            ver: self.ver.max(other.ver),
            seq: self.seq.max(other.seq),
        }
    }
}

/// One committed step of one stream: the rows that changed in (`from`, `to`].
///
/// The cursor rule: apply and move the cursor iff `from` equals it; a step that ends at or before the cursor is
/// old; any other only says that there is something to pull.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEvent {
    /// Which stream.
    pub stream: StreamId,
    /// The version before the step.
    #[serde(deserialize_with = "crate::number::exact")]
    pub from: u64,
    /// The version after the step.
    #[serde(deserialize_with = "crate::number::exact")]
    pub to: u64,
    /// The channel's last message sequence after the step.
    #[serde(default, deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// The rows, in `ver` order, and profiles that they need.
    pub rows: Vec<Row>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_written_with_their_kind() {
        for text in ["C:messaging:general", "U:ada"] {
            let stream: StreamId = text.parse().unwrap();
            assert_eq!(stream.to_string(), text);
        }
        assert!("X:ada".parse::<StreamId>().is_err());
        assert!("messaging:general".parse::<StreamId>().is_err());
    }
}
