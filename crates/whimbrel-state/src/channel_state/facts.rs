//! What a channel is, besides its lists.

use super::capability::Capability;
use crate::{Content, Currency, DraftView};
use std::{collections::BTreeSet, sync::Arc};
use whimbrel_model::{Channel, ConsentState, Membership, ReadPosition, Timestamp, overlay::MessageView};

/// Everything of a channel that is not a list, as one value. Cheap to clone.
///
/// What waits in the outbox is laid over all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelFacts {
    /// Name, picture, custom data. Absent: not known on this device, which is not the same as a channel without a name.
    pub channel: Option<Arc<Channel>>,
    /// The own membership, and how the account keeps the channel: pinned, archived, muted; that it is invited. Absent: not known on this device,
    /// or there never was one.
    pub membership: Option<Arc<Membership>>,
    /// What was decided of it, else what holds of whoever brought the account in.
    pub consent: ConsentState,
    /// Whether it is hidden, until something new comes.
    pub hidden: bool,
    /// What the account may do in it, as a prediction.
    pub capabilities: Arc<BTreeSet<Capability>>,
    /// How many there are.
    pub counts: ChannelCounts,
    /// How far the account has read: what is unread comes after it.
    pub read: ReadPosition,
    /// What is being written for the timeline, on whichever device.
    pub draft: Option<Arc<DraftView>>,
    /// The message that the draft quotes. Absent: it quotes none, or one that is not on this device.
    pub replied: Option<Arc<MessageView>>,
    /// What the account has sent.
    pub sending: Sending,
    /// Whether messages are there, and what it means when none are.
    pub content: Content,
    /// How much of the messages is loaded.
    pub paging: Paging,
    /// How it stands to what the server has.
    pub currency: Currency,
}

/// The numbers of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Messages on this device past the read position that count as unread.
    pub unread: u64,
    /// Those of them that mention the account.
    pub mentions: u64,
    /// Messages past the read position that this device lacks, or has only as they once were: each of them may count. 0:
    /// `unread` is exact, as far as the server has been heard of.
    pub unread_unknown: u64,
    /// Members, without those who are invited.
    pub members: u64,
    /// Messages that the server ever accepted in it, as far as it has been heard of: deleted ones and replies included.
    /// Absent: it was not heard of.
    pub messages: Option<u64>,
}

/// What an account has sent in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// When the newest own message that is loaded was composed. Absent: there is none among them.
    pub last_sent_at: Option<Timestamp>,
    /// Operations in the outbox that still go out.
    pub pending: u32,
    /// Whether the server does not know of the channel yet.
    pub created_locally: bool,
}

/// How much of a list of messages is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Whether older messages are being loaded.
    pub loading_older: bool,
    /// Whether newer messages are being loaded.
    pub loading_newer: bool,
    /// Whether the first message that there is, is in the list. While nothing is known of the channel it is not said.
    pub end_of_older: bool,
    /// Whether the newest message that is known of is in the list, and new ones appear in it. Without, it is a window in the
    /// past.
    pub end_of_newer: bool,
}
