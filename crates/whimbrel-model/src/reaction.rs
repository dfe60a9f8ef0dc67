use crate::{ChannelId, MessageId, ReactionType, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// One user's reaction of one type to one message. A row of its own: a popular message is not a hot row.
///
/// Reactions are a set keyed (message, user, type); the last operation in server order wins. Counts are derived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Where.
    pub cid: ChannelId,
    /// To what.
    pub message: MessageId,
    /// By whom.
    pub user: UserId,
    /// Which.
    pub kind: ReactionType,
    /// Whether it was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// When the server accepted the last change.
    pub at: Timestamp,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}
