//! What is unread: why a message cannot be the first unread one, and why the count is what it is.

use std::fmt;
use whimbrel_model::{
    ChannelId, ChannelSummary, Message, MessageId, Op, OpId, OutboxItem, People, RangeSet, ReadPosition,
    UserId, limits,
};

/// Why a message cannot be made the first unread one. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkUnreadError {
    /// The message is not on this device.
    #[error("message {0} is not on this device: load the part of the history that it is in first")]
    NotHere(MessageId),
    /// The message is the own one, and the server has not accepted it.
    #[error("message {0} is not accepted yet: it has no place among the others until it is")]
    NotAccepted(MessageId),
    /// The message is in another channel.
    #[error("message {id} is in {cid}: mark it there")]
    Elsewhere {
        /// Which message.
        id: MessageId,
        /// Where it is.
        cid: ChannelId,
    },
    /// The message stands only in its thread, where nothing counts as unread.
    #[error(
        "message {0} stands only in its thread and never counts as unread: mark a message of the channel"
    )]
    ThreadOnly(MessageId),
    /// It was done so often since the server last heard of it that it would not take one more.
    #[error(
        "marked unread {} times since the server last heard of it: connect, and mark it then",
        limits::READ_EPOCHS_AHEAD
    )]
    TooOften,
}

impl MarkUnreadError {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotHere(_) => "message_not_here",
            Self::NotAccepted(_) => "message_not_accepted",
            Self::Elsewhere { .. } => "message_elsewhere",
            Self::ThreadOnly(_) => "message_in_thread_only",
            Self::TooOften => "marked_unread_too_often",
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::NotAccepted(_) | Self::TooOften)
    }
}

/// Finds the position that makes a message the first unread one. `stored` is its row. Nothing: it is unread already, and
/// what is unread before it stays so.
pub(crate) fn unread_from(
    (cid, id): (&ChannelId, MessageId),
    stored: Option<Message>,
    summary: Option<&ChannelSummary>,
    mut outbox: impl Iterator<Item = impl AsRef<OutboxItem>>,
) -> Result<Option<ReadPosition>, MarkUnreadError> {
    // With version 0 it is of a history that the server lost: its place says nothing.
    let Some(message) = stored.filter(|message| message.ver > 0) else {
        let sent = |item: &OutboxItem| matches!(&item.op, Op::SendMessage { id: sent, .. } if *sent == id);
        return Err(match outbox.any(|item| sent(item.as_ref())) {
            true => MarkUnreadError::NotAccepted(id),
            false => MarkUnreadError::NotHere(id),
        });
    };
    if message.cid != *cid {
        let cid = message.cid;
        return Err(MarkUnreadError::Elsewhere { id, cid });
    }
    let Some(summary) = summary else {
        return Err(MarkUnreadError::NotHere(id));
    };
    if !message.is_in_channel() {
        return Err(MarkUnreadError::ThreadOnly(id));
    }
    let position = summary.position();
    if message.seq > position.seq {
        return Ok(None);
    }
    let known = summary.read.as_ref().map_or(0, |read| read.epoch);
    let next = position.unread_from(message.seq);
    next.filter(|next| next.epoch - known <= limits::READ_EPOCHS_AHEAD)
        .map(Some)
        .ok_or(MarkUnreadError::TooOften)
}

/// Why so many messages of a channel are unread. Its `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadExplanation {
    /// Which channel.
    pub cid: ChannelId,
    /// The read position: what is unread comes after it.
    pub position: ReadPosition,
    /// The operation that brings the position to the server, if it waits in the outbox. Absent: the server has it.
    pub waiting: Option<OpId>,
    /// The messages that count, newest first.
    pub counted: Vec<MessageId>,
    /// Messages that do not count, by reason.
    pub left_out: LeftOut,
}

/// How many messages do not count as unread, each for the first reason that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Up to the read position, whatever else they are.
    pub read: u64,
    /// Own ones.
    pub own: u64,
    /// Deleted ones.
    pub deleted: u64,
    /// Sent to be silent.
    pub silent: u64,
    /// Of people who are denied or muted.
    pub people: u64,
    /// Replies that stand only in their threads.
    pub thread_only: u64,
    /// Not on this device, or only as they once were. Each of them may count.
    pub unknown: u64,
}

impl UnreadExplanation {
    /// Explains the count in the channel of `summary` for `me`, for whom `people` says what holds of others: `outbox` is what waits, `timeline` the messages of the
    /// channel's timeline past the position, `ranges` what is on the device.
    pub(crate) fn new(
        summary: &ChannelSummary,
        (me, people): (&UserId, &People),
        outbox: impl Iterator<Item = impl AsRef<OutboxItem>>,
        timeline: impl Iterator<Item = Message>,
        ranges: &RangeSet,
    ) -> Self {
        let position = summary.position();
        let (first, last) = (position.seq + 1, summary.head_seq);
        let mut explanation = Self {
            cid: summary.cid.clone(),
            position,
            waiting: summary.waiting_read.and_then(|waiting| {
                let mut carriers = outbox.filter(|item| {
                    let item = item.as_ref();
                    item.op.cid() == Some(&summary.cid) && item.op.read_position() == Some(waiting)
                });
                carriers.next().map(|item| item.as_ref().id)
            }),
            counted: Vec::new(),
            left_out: LeftOut {
                read: position.seq,
                unknown: ranges.missing(first, last),
                ..LeftOut::default()
            },
        };
        let out = &mut explanation.left_out;
        // Every place in a fresh run has its message: those that are not in the timeline are in threads only.
        out.thread_only = (last + 1).saturating_sub(first) - out.unknown;
        for message in timeline {
            if ranges.is_fresh(message.seq, message.seq) {
                out.thread_only = out.thread_only.saturating_sub(1);
            }
            if message.author == *me {
                out.own += 1;
            } else if message.is_deleted() {
                out.deleted += 1;
            } else if message.silent {
                out.silent += 1;
            } else if people.is_silent(&message.author) {
                out.people += 1;
            } else {
                explanation.counted.push(message.id);
            }
        }
        explanation
    }
}

impl fmt::Display for UnreadExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, ReadPosition { epoch, seq }) = (self.counted.len(), self.position);
        write!(f, "{count} unread in {}: read up to message {seq}", self.cid)?;
        if epoch > 0 {
            write!(f, ", marked unread {epoch} times")?;
        }
        if self.waiting.is_some() {
            f.write_str(", which the server does not know yet")?;
        }
        let LeftOut {
            own,
            deleted,
            silent,
            people,
            thread_only,
            unknown,
            ..
        } = self.left_out;
        for (number, what) in [
            (own, "own not counted"),
            (deleted, "deleted not counted"),
            (silent, "silent not counted"),
            (people, "of denied or muted people not counted"),
            (thread_only, "only in threads not counted"),
            (unknown, "not known here, which may count"),
        ] {
            if number > 0 {
                write!(f, "; {number} {what}")?;
            }
        }
        Ok(())
    }
}
