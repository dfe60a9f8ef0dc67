use crate::{ChannelId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// What a member may do, beyond writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, writes, reacts, leaves.
    #[default]
    Member,
    /// Also changes the channel, its members, and removes others' messages.
    Owner,
}

/// Whether a member is in the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// In the channel.
    #[default]
    Active,
    /// Left, or was removed.
    Gone,
}

/// One user in one channel, as the channel's stream carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub cid: ChannelId,
    /// Who.
    pub user: UserId,
    /// May do what.
    pub role: Role,
    /// In or out.
    pub state: MemberState,
    /// When the server accepted the last join.
    pub joined_at: Timestamp,
    /// Version of the last change, in the channel's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// The same fact as the user's own stream carries it: which channels are mine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Where.
    pub cid: ChannelId,
    /// Who: always the owner of the stream.
    pub user: UserId,
    /// May do what.
    pub role: Role,
    /// In or out.
    pub state: MemberState,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}
