use crate::{
    Account, Channel, ChannelId, Contact, Cursor, Head, Local, Membership, Message, MessageId, OutboxItem,
    RangeSet, Reaction, Read, ReadPosition, StreamId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the engine needs at start: everything but the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Who the database belongs to. Absent in a new one.
    pub account: Option<Account>,
    /// How far each followed stream is on disk.
    pub cursors: BTreeMap<StreamId, Cursor>,
    /// The newest known position of each followed stream.
    pub heads: BTreeMap<StreamId, Head>,
    /// The runs of messages that are on disk.
    pub ranges: BTreeMap<ChannelId, RangeSet>,
    /// Of each channel with a cursor, also of one that the account has left, the newest message of somebody else that the stream has brought (up to the
    /// cursor's sequence, or its version) and that the server does not know to have reached the account: neither the own delivered register says so (where others are shown each device: this
    /// device's mark in it), nor the own read position, if that is not private. Absent: there is none.
    pub undelivered: BTreeMap<ChannelId, u64>,
    /// The token up to which the account's heads are known.
    pub heads_token: Option<String>,
    /// When everything that the server had was on the device, on the server's clock.
    pub synced_at: Option<Timestamp>,
    /// Which channels the account is in or was in, and whether they may reach it: its own rows, whatever their `ver`, by cid.
    pub memberships: Vec<Membership>,
    /// What the account holds of others: its own rows, whatever their `ver`, by whom they are about.
    pub contacts: Vec<Contact>,
    /// The outbox, by position.
    pub outbox: Vec<OutboxItem>,
    /// What the device keeps for itself.
    pub local: Local,
}

/// A window of messages: those nearest to a place, oldest first in what it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// In which channel.
    pub cid: ChannelId,
    /// In its timeline, or in one thread.
    pub scope: MessageScope,
    /// Where. [`HistoryFrom::AroundMessage`] of a message that is not on the device, or not in the channel: nowhere, and
    /// the answer has no messages.
    pub from: HistoryFrom,
    /// How many at most.
    pub limit: usize,
}

/// Where a page of messages is.
///
/// Of a page around a place the first half (rounded down) of the limit is for what comes before it, the rest for what
/// stands there or comes after. What one half lacks, the other does not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryFrom {
    /// The newest.
    #[default]
    Newest,
    /// The last ones before this sequence.
    Before(#[serde(deserialize_with = "crate::number::exact")] u64),
    /// The first ones after this sequence.
    After(#[serde(deserialize_with = "crate::number::exact")] u64),
    /// Around this sequence.
    Around(#[serde(deserialize_with = "crate::number::exact")] u64),
    /// Around this message.
    AroundMessage(MessageId),
    /// Around the first message that was accepted at this time or later. The server's clock says when; times are taken to
    /// rise with the sequence, which they do unless it was put back.
    AroundTime(Timestamp),
}

impl HistoryFrom {
    /// Divides a limit: how many are asked for that come before the place, and how many that stand there or come after.
    #[must_use]
    pub const fn split(self, limit: usize) -> (usize, usize) {
        match self {
            Self::Newest | Self::Before(_) => (limit, 0),
            Self::After(_) => (0, limit),
            Self::Around(_) | Self::AroundMessage(_) | Self::AroundTime(_) => (limit / 2, limit - limit / 2),
        }
    }
}

/// Where messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageScope {
    /// In the channel's timeline: no thread-only replies.
    Channel,
    /// In the thread of this message: its replies, without itself.
    Thread(MessageId),
}

/// The answer to a [`MessageQuery`].
///
/// Rows of a history that the server no longer has (`ver` 0, see `Change::Rebase`) are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagePage {
    /// The messages, tombstones included, by ascending `seq`.
    pub messages: Vec<Message>,
    /// The reactions to them, removed ones excluded.
    pub reactions: Vec<Reaction>,
    /// Replies on this device to each of them, deleted ones excluded; only where there are any.
    pub replies: BTreeMap<MessageId, u32>,
    /// Whether the device holds older ones in that scope.
    pub has_older: bool,
    /// Whether the device holds newer ones in that scope.
    pub has_newer: bool,
    /// The runs of the channel that are on the device: what lies between them is a gap.
    pub ranges: RangeSet,
}

/// A row of the channel list: server rows only, the outbox is laid over it later. But for what is unread: that needs the log,
/// so a read position that waits in the outbox is laid over here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSummary {
    /// Which channel.
    pub cid: ChannelId,
    /// The channel's own row. Absent while only the membership has arrived.
    pub channel: Option<Channel>,
    /// The own membership.
    pub membership: Option<Membership>,
    /// The newest message of the timeline, tombstones included.
    pub last_message: Option<Message>,
    /// The own read position, as the server has it.
    pub read: Option<Read>,
    /// The furthest own read position that waits in the outbox, if it is further than the server's.
    pub waiting_read: Option<ReadPosition>,
    /// Messages on this device past [`ChannelSummary::position`] that count as unread.
    pub unread: u64,
    /// Those of them that mention the user.
    pub mentions: u64,
    /// Messages past that position which this device lacks, or has only as they once were: each of them may count. 0:
    /// `unread` is exact, as far as the server has been heard of.
    pub unread_unknown: u64,
    /// Active members on this device.
    pub members: u64,
    /// The newest known message sequence.
    pub head_seq: u64,
}

impl ChannelSummary {
    /// Returns the own read position, one that waits in the outbox included: what is unread comes after it.
    #[must_use]
    pub fn position(&self) -> ReadPosition {
        let known = self.read.as_ref().map(Read::position);
        known.max(self.waiting_read).unwrap_or_default()
    }
}
