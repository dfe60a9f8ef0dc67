//! Which messages make up a page around some place of a channel: the part of reading that is the same for every storage.

use crate::{
    StorageError,
    feed::{PAGE_BYTES, encoded_len},
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, Head, HistoryFrom, Message, MessageId, Row, Timestamp, limits};
use whimbrel_protocol::HistoryPage;

/// What a page of messages consists of.
///
/// Within one snapshot, a storage checks that the user may see the channel, reads its head, makes the plan, answers
/// [`message`](Self::message) and then [`time`](Self::time) until they ask nothing more, reads the messages from
/// [`lo`](Self::lo) to [`hi`](Self::hi), every reaction to them, removed ones too, and every read position in a thread that one
/// of them began, and hands them to [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct HistoryPlan {
    cid: ChannelId,
    head: Head,
    /// How many there may be before the place, and how many there or after it.
    older: u64,
    newer: u64,
    place: Place,
}

/// Where the page is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Between this sequence and the one before it.
    At(u64),
    /// At this message.
    Message(MessageId),
    /// At the first message of this time or later, which is in `lo..=hi`, or is none if it comes to one beyond the last.
    Time { at: Timestamp, lo: u64, hi: u64 },
}

impl HistoryPlan {
    /// Plans a page; the limit is brought into 1 to [`limits::PAGE_ROWS`].
    #[must_use]
    pub fn new(cid: &ChannelId, head: Head, from: HistoryFrom, limit: usize) -> Self {
        let (older, newer) = from.split(limit.clamp(1, limits::PAGE_ROWS));
        let place = match from {
            HistoryFrom::Newest => Place::At(u64::MAX),
            HistoryFrom::Before(seq) | HistoryFrom::Around(seq) => Place::At(seq),
            HistoryFrom::After(seq) => Place::At(seq.saturating_add(1)),
            HistoryFrom::AroundMessage(id) => Place::Message(id),
            HistoryFrom::AroundTime(at) => Place::Time {
                at,
                lo: 1,
                hi: head.seq + 1,
            },
        };
        Self {
            cid: cid.clone(),
            head,
            older: older as u64,
            newer: newer as u64,
            place,
        }
    }

    /// Returns the message whose sequence in the channel [`found`](Self::found) wants, if one is to be looked up.
    #[must_use]
    pub const fn message(&self) -> Option<MessageId> {
        match self.place {
            Place::Message(id) => Some(id),
            _ => None,
        }
    }

    /// Takes the answer to [`message`](Self::message). Absent: the channel has no such message.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when it is absent.
    pub fn found(&mut self, seq: Option<u64>) -> Result<(), StorageError> {
        if let Place::Message(id) = self.place {
            self.place = Place::At(seq.ok_or_else(|| StorageError::message_not_found(&self.cid, id))?);
        }
        Ok(())
    }

    /// Returns the sequence of the message of which [`accepted`](Self::accepted) wants to know when it was accepted, if one
    /// is to be looked up. There are about twenty of them for a million messages.
    #[must_use]
    pub const fn time(&self) -> Option<u64> {
        match self.place {
            Place::Time { lo, hi, .. } if lo < hi => Some(lo + (hi - lo) / 2),
            _ => None,
        }
    }

    /// Takes the answer to [`time`](Self::time).
    pub fn accepted(&mut self, time: Timestamp) {
        let Some(middle) = self.time() else { return };
        if let Place::Time { at, lo, hi } = &mut self.place {
            if time >= *at {
                *hi = middle;
            } else {
                *lo = middle + 1;
            }
        }
    }

    /// Returns the first sequence that counts as after the place.
    fn pivot(&self) -> u64 {
        let seq = match self.place {
            Place::At(seq) => seq,
            Place::Time { lo, .. } => lo,
            Place::Message(_) => 1,
        };
        seq.clamp(1, self.head.seq + 1)
    }

    /// Returns the first sequence to read. Greater than [`hi`](Self::hi): there is nothing.
    #[must_use]
    pub fn lo(&self) -> u64 {
        self.pivot().saturating_sub(self.older).max(1)
    }

    /// Returns the last sequence to read.
    #[must_use]
    pub fn hi(&self) -> u64 {
        (self.pivot() - 1).saturating_add(self.newer).min(self.head.seq)
    }

    /// Builds the page from the rows, in any order: messages by `seq`, then the others by `ver`.
    ///
    /// The page ends nearer to its place than planned when its bytes reach what a frame holds; the nearest message is always
    /// in.
    #[must_use]
    pub fn finish(self, mut messages: Vec<Message>, mut beside: Vec<Row>) -> HistoryPage {
        messages.sort_by_key(|row| row.seq);
        beside.sort_by_key(Row::ver);
        let mut cost: BTreeMap<_, usize> = BTreeMap::new();
        for row in &beside {
            if let Some(message) = about(row) {
                *cost.entry(message).or_default() += encoded_len(row);
            }
        }
        let pivot = self.pivot();
        let distance = |row: &Message| {
            if row.seq >= pivot {
                (row.seq - pivot, false)
            } else {
                (pivot - 1 - row.seq, true)
            }
        };
        let mut nearest: Vec<&Message> = messages.iter().collect();
        nearest.sort_by_key(|row| distance(row));
        let mut bytes = 0;
        let fits = |(place, row): &(usize, &Message)| {
            bytes += encoded_len(row) + cost.get(&row.id).copied().unwrap_or_default();
            bytes <= PAGE_BYTES || *place == 0
        };
        let kept = nearest.into_iter().enumerate().take_while(fits);
        let kept: BTreeSet<MessageId> = kept.map(|(_, row)| row.id).collect();
        messages.retain(|row| kept.contains(&row.id));
        beside.retain(|row| about(row).is_some_and(|message| kept.contains(&message)));
        HistoryPage {
            id: 0,
            lo: messages.first().map_or(self.lo(), |row| row.seq),
            hi: messages.last().map_or(self.hi(), |row| row.seq),
            cid: self.cid,
            rows: messages.into_iter().map(Row::Message).chain(beside).collect(),
        }
    }
}

/// Returns the message that a row belongs to, which is not one itself.
const fn about(row: &Row) -> Option<MessageId> {
    match row {
        Row::Reaction(row) => Some(row.message),
        Row::Read(row) => row.thread,
        _ => None,
    }
}
