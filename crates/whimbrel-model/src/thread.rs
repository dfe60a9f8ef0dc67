use crate::{Membership, Message, MessageId, Read, ReadPosition, Timestamp};

/// A thread as one user sees it: server rows only, the outbox is laid over it later. But for what is unread: a read position
/// that waits in the outbox is laid over here, as in a [`ChannelSummary`](crate::ChannelSummary).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedThread {
    /// The message that began it.
    pub parent: Message,
    /// The newest reply on this device, tombstones included.
    pub last_reply: Option<Message>,
    /// Whether the user follows it: is in the channel, and has a read position in the thread or wrote the message that began it.
    pub followed: bool,
    /// The own membership in the channel.
    pub membership: Option<Membership>,
    /// The own read position in it, as the server has it.
    pub read: Option<Read>,
    /// The furthest own read position that waits in the outbox, if it is further than the server's.
    pub waiting_read: Option<ReadPosition>,
    /// Replies on this device past [`FollowedThread::position`] that count as unread.
    pub unread: u64,
    /// Replies past that position which this device may lack: each of them may count. 0: `unread` is exact, as far as the server
    /// has been heard of.
    pub unread_unknown: u64,
}

/// A place in a list of threads, which has the one with the newest reply first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreadPlace {
    /// When the server accepted the newest reply.
    pub last_at: Timestamp,
    /// The message that began the thread.
    pub parent: MessageId,
}

impl FollowedThread {
    /// Returns the own read position, one that waits in the outbox included: what is unread comes after it.
    #[must_use]
    pub fn position(&self) -> ReadPosition {
        let known = self.read.as_ref().map(Read::position);
        known.max(self.waiting_read).unwrap_or_default()
    }

    /// Returns where it stands in a list of threads.
    #[must_use]
    pub fn place(&self) -> ThreadPlace {
        ThreadPlace {
            last_at: self
                .parent
                .thread
                .map_or_else(Timestamp::default, |thread| thread.last_at),
            parent: self.parent.id,
        }
    }
}
