use crate::{
    AccountKey, AccountRow, Channel, ChannelId, Delivered, DeviceId, Draft, Member, Membership, Message,
    MessageId, Reaction, ReactionType, Read, StreamId, User, UserId,
};
use serde::{Deserialize, Serialize};

/// One row of a stream: the whole current state of one object, stamped with the `ver` of its last change.
///
/// On the wire an object with one key that names the kind: `{"message": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A channel, in its own stream.
    Channel(Channel),
    /// A member, in the channel's stream.
    Member(Member),
    /// A message, in the channel's stream. A deleted one stays as a tombstone.
    Message(Message),
    /// A reaction, in the channel's stream. A removed one stays as a tombstone.
    Reaction(Reaction),
    /// A read position, in the channel's stream.
    Read(Read),
    /// Up to where messages have reached a user, in the channel's stream.
    Delivered(Delivered),
    /// One of my channels, in my user stream.
    Membership(Membership),
    /// A profile: in its own user stream, and beside the members of a channel's page.
    User(User),
    /// What one of my devices has written and not sent, in my user stream.
    Draft(Draft),
    /// Something about the account itself, in my user stream.
    Account(AccountRow),
}

/// The identity of a [`Row`]: two rows of one key are two versions of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// Of [`Row::Channel`].
    Channel(ChannelId),
    /// Of [`Row::Member`].
    Member(ChannelId, UserId),
    /// Of [`Row::Message`].
    Message(MessageId),
    /// Of [`Row::Reaction`].
    Reaction(MessageId, UserId, ReactionType),
    /// Of [`Row::Read`]: in the channel, or in the thread of a message.
    Read(ChannelId, UserId, Option<MessageId>),
    /// Of [`Row::Delivered`].
    Delivered(ChannelId, UserId),
    /// Of [`Row::Membership`].
    Membership(ChannelId, UserId),
    /// Of [`Row::User`].
    User(UserId),
    /// Of [`Row::Draft`].
    Draft(UserId, ChannelId, Option<MessageId>, DeviceId),
    /// Of [`Row::Account`].
    Account(UserId, AccountKey),
}

impl Row {
    /// Returns the identity of the object.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Channel(row) => RowKey::Channel(row.cid.clone()),
            Self::Member(row) => RowKey::Member(row.cid.clone(), row.user.clone()),
            Self::Message(row) => RowKey::Message(row.id),
            Self::Reaction(row) => RowKey::Reaction(row.message, row.user.clone(), row.kind.clone()),
            Self::Read(row) => RowKey::Read(row.cid.clone(), row.user.clone(), row.thread),
            Self::Delivered(row) => RowKey::Delivered(row.cid.clone(), row.user.clone()),
            Self::Membership(row) => RowKey::Membership(row.cid.clone(), row.user.clone()),
            Self::User(row) => RowKey::User(row.id.clone()),
            Self::Draft(row) => RowKey::Draft(row.user.clone(), row.cid.clone(), row.parent, row.device),
            Self::Account(row) => RowKey::Account(row.user().clone(), row.key()),
        }
    }

    /// Returns the version of the last change, in the stream that the row belongs to.
    #[must_use]
    pub fn ver(&self) -> u64 {
        match self {
            Self::Channel(row) => row.ver,
            Self::Member(row) => row.ver,
            Self::Message(row) => row.ver,
            Self::Reaction(row) => row.ver,
            Self::Read(row) => row.ver,
            Self::Membership(row) => row.ver,
            Self::User(row) => row.ver,
            Self::Draft(row) => row.ver,
            Self::Delivered(row) => row.ver,
            Self::Account(row) => row.ver(),
        }
    }

    /// Returns the stream whose versions stamp this row.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        match self {
            Self::Channel(row) => StreamId::Channel(row.cid.clone()),
            Self::Member(row) => StreamId::Channel(row.cid.clone()),
            Self::Message(row) => StreamId::Channel(row.cid.clone()),
            Self::Reaction(row) => StreamId::Channel(row.cid.clone()),
            Self::Read(row) => StreamId::Channel(row.cid.clone()),
            Self::Membership(row) => StreamId::User(row.user.clone()),
            Self::User(row) => StreamId::User(row.id.clone()),
            Self::Draft(row) => StreamId::User(row.user.clone()),
            Self::Delivered(row) => StreamId::Channel(row.cid.clone()),
            Self::Account(row) => StreamId::User(row.user().clone()),
        }
    }

    /// Returns the channel that the row is about, if it is about one.
    #[must_use]
    pub fn cid(&self) -> Option<&ChannelId> {
        match self {
            Self::Channel(row) => Some(&row.cid),
            Self::Member(row) => Some(&row.cid),
            Self::Message(row) => Some(&row.cid),
            Self::Reaction(row) => Some(&row.cid),
            Self::Read(row) => Some(&row.cid),
            Self::Membership(row) => Some(&row.cid),
            Self::Draft(row) => Some(&row.cid),
            Self::Delivered(row) => Some(&row.cid),
            Self::User(_) | Self::Account(_) => None,
        }
    }

    /// Returns the row as `reader` may see it, who may see its stream. Nothing: it is for another user only.
    ///
    /// A server hands out no row without this. What it leaves out leaves no hole: the cursor goes by versions.
    #[must_use]
    pub fn seen_by(self, reader: &UserId) -> Option<Self> {
        match self {
            Self::Read(row) if row.private && row.user != *reader => None,
            Self::Delivered(row) if row.private && row.user != *reader => None,
            Self::Delivered(row) if !row.devices_public && row.user != *reader => {
                Some(Self::Delivered(Delivered {
                    devices: Vec::new(),
                    ..row
                }))
            }
            row => Some(row),
        }
    }

    /// Returns whose row it is, if they see it otherwise than others do.
    #[must_use]
    pub fn seen_otherwise_by(&self) -> Option<&UserId> {
        match self {
            Self::Read(row) if row.private => Some(&row.user),
            Self::Delivered(row) if row.private || !row.devices_public => Some(&row.user),
            _ => None,
        }
    }

    /// Returns whether this copy replaces `current`, a copy with the same key: iff it is newer.
    ///
    /// This is the only merge rule of server rows. It makes applying a page idempotent, and makes the order in which
    /// pages and live events arrive irrelevant.
    #[must_use]
    pub fn supersedes(&self, current: &Self) -> bool {
        self.ver() > current.ver()
    }
}
