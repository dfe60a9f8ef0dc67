use crate::{ChannelId, MessageId, Op, OutboxItem, UserId};
use serde::{Deserialize, Serialize};

/// A place of the read register. Of two the greater one holds, by epoch and then by sequence, so that any order in which
/// they are heard of leads to the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadPosition {
    /// Generation of the register: marking unread opens the next one.
    pub epoch: u32,
    /// The last message read. 0: none.
    pub seq: u64,
}

/// How far one user has read one channel, or one of its threads: a register that only grows, by (epoch, seq).
///
/// Marking unread opens a new epoch with a lower seq. Unread counts are derived from this and the log. The two are apart: a
/// reply that stands only in its thread is read there. Whoever has a register of a thread, or wrote the message that began it,
/// follows it; sending a reply moves the own one to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Where.
    pub cid: ChannelId,
    /// Who.
    pub user: UserId,
    /// In which thread, by the message that began it. Absent: in the channel's timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Generation of the register.
    pub epoch: u32,
    /// The last message read. 0: none.
    #[serde(deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// The furthest message ever read, where marking unread went back behind it. 0: `seq` is the furthest.
    #[serde(
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "crate::number::exact"
    )]
    pub furthest: u64,
    /// Whether others are shown nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

impl ReadPosition {
    /// Returns the furthest of the positions in `cid`, or in one of its threads, that wait in an outbox. Rejected ones do not.
    #[must_use]
    pub fn waiting<'a>(
        cid: &ChannelId,
        thread: Option<MessageId>,
        items: impl IntoIterator<Item = &'a OutboxItem>,
    ) -> Option<Self> {
        let queued = items.into_iter().filter(|item| item.rejection().is_none());
        let here = queued.map(|item| &item.op).filter(|op| op.cid() == Some(cid));
        let in_thread = here.filter(|op| op.read_thread() == thread);
        in_thread.filter_map(Op::read_position).max()
    }

    /// Returns the position of which the message at `seq` is the first unread one: in the next epoch, so that it holds
    /// against every position up to now. Nothing if there is no next epoch.
    #[must_use]
    pub fn unread_from(self, seq: u64) -> Option<Self> {
        Some(Self {
            epoch: self.epoch.checked_add(1)?,
            seq: seq.saturating_sub(1),
        })
    }
}

impl Read {
    /// Creates the register of a user who has read nothing of the channel, or of one of its threads.
    #[must_use]
    pub const fn new(cid: ChannelId, user: UserId, thread: Option<MessageId>) -> Self {
        Self {
            cid,
            user,
            thread,
            epoch: 0,
            seq: 0,
            furthest: 0,
            private: false,
            ver: 0,
        }
    }

    /// Returns where the register is: what is unread comes after it.
    #[must_use]
    pub const fn position(&self) -> ReadPosition {
        ReadPosition {
            epoch: self.epoch,
            seq: self.seq,
        }
    }

    /// Returns the last message that the user ever had read: what others are shown. It never goes back, also when the
    /// user marks something as unread for themself.
    #[must_use]
    pub fn receipt(&self) -> u64 {
        self.seq.max(self.furthest)
    }

    /// Lets the register hear of `position`: it moves there if that is further, and the receipt covers it in any case, as it
    /// was read. Returns whether anything changed.
    pub fn advance(&mut self, position: ReadPosition) -> bool {
        let before = (self.position(), self.furthest);
        let ever = self.receipt().max(position.seq);
        let ReadPosition { epoch, seq } = self.position().max(position);
        self.epoch = epoch;
        self.seq = seq;
        self.furthest = if ever > seq { ever } else { 0 };
        before != (self.position(), self.furthest)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
