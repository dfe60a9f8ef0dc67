//! Which rows make up a page of a stream, and where the next one begins: the part of reading that is the same for every
//! storage.

use serde::Serialize;
use std::{collections::BTreeMap, io};
use whimbrel_model::{Cursor, Epoch, Head, Row, SnapshotWindow, StreamId, User, UserId, limits};
use whimbrel_protocol::Page;

/// Encoded bytes of rows in one page: a frame without room for what stands around the rows.
pub(crate) const PAGE_BYTES: usize = limits::FRAME_BYTES - 16 * 1024;

/// What the next page of a stream consists of.
///
/// Within one snapshot, a storage checks that the user may see the stream, reads its head, makes the plan, reads the
/// first [`fetch`](Self::fetch) rows by `ver` (or the first so many of each kind) that the plan
/// [`includes`](Self::includes), and hands them to [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct PagePlan {
    stream: StreamId,
    epoch: Epoch,
    head: Head,
    reset: bool,
    from: u64,
    seq: u64,
    window: Option<SnapshotWindow>,
    limit: usize,
}

impl PagePlan {
    /// Plans the page after `cursor`; the limit is brought into 1 to [`limits::PAGE_ROWS`].
    #[must_use]
    pub fn new(stream: &StreamId, epoch: Epoch, head: Head, cursor: Option<Cursor>, limit: usize) -> Self {
        let windowed = matches!(stream, StreamId::Channel(_));
        let known = cursor.filter(|cursor| {
            let sound = |window: SnapshotWindow| window.ver <= head.ver && window.lo <= head.seq + 1;
            cursor.epoch == epoch
                && cursor.ver <= head.ver
                && cursor.seq <= head.seq
                && cursor.window.is_none_or(sound)
        });
        let followed = known.filter(|cursor| {
            let since = cursor.window.map_or(cursor.ver, |window| window.ver);
            !windowed || head.ver - since <= limits::SNAPSHOT_AFTER
        });
        let window = match followed {
            Some(cursor) => cursor.window,
            None => Some(SnapshotWindow {
                lo: first_of_snapshot(head),
                ver: head.ver,
            }),
        };
        Self {
            stream: stream.clone(),
            epoch,
            head,
            reset: followed.is_none(),
            from: followed.map_or(0, |cursor| cursor.ver),
            seq: known.map_or(0, |cursor| cursor.seq),
            window: window.filter(|_| windowed),
            limit: limit.clamp(1, limits::PAGE_ROWS),
        }
    }

    /// Returns the version after which rows count.
    #[must_use]
    pub const fn after(&self) -> u64 {
        self.from
    }

    /// Returns the first message of the snapshot's window: a message before it, or a reaction to one, counts only if
    /// its version is after [`window_ver`](Self::window_ver). 1 without a window.
    #[must_use]
    pub fn window_lo(&self) -> u64 {
        self.window.map_or(1, |window| window.lo)
    }

    /// Returns the version after which every row counts, wherever its message stands. 0 without a window.
    #[must_use]
    pub fn window_ver(&self) -> u64 {
        self.window.map_or(0, |window| window.ver)
    }

    /// Returns how many rows to read: one more than the page holds, so that it is known whether more follow.
    #[must_use]
    pub const fn fetch(&self) -> usize {
        self.limit + 1
    }

    /// Returns whether a row counts. `message_seq` is that of a message, or of the message that a reaction is to.
    #[must_use]
    pub fn includes(&self, ver: u64, message_seq: Option<u64>) -> bool {
        let in_window = message_seq.is_none_or(|seq| seq >= self.window_lo());
        ver > self.from && (in_window || ver > self.window_ver())
    }

    /// Builds the page from the rows, in any order. `profiles` may hold those of more users than the rows name.
    ///
    /// The page ends early when its bytes reach what a frame holds.
    #[must_use]
    pub fn finish(self, mut rows: Vec<Row>, profiles: Vec<User>) -> Page {
        rows.sort_by_key(Row::ver);
        let profiles: BTreeMap<UserId, User> =
            profiles.into_iter().map(|row| (row.id.clone(), row)).collect();
        let (kept, beside) = self.cut(&rows, &profiles);
        let more = kept < rows.len();
        rows.truncate(kept);
        let last = rows.last().map_or(self.from, Row::ver);
        rows.extend(beside);
        let to = Cursor {
            epoch: self.epoch,
            ver: if more { last } else { self.head.ver },
            seq: if more { self.seq } else { self.head.seq },
            window: self.window.filter(|_| more),
        };
        Page {
            id: 0,
            stream: self.stream,
            reset: self.reset,
            from: self.from,
            to,
            head: self.head,
            rows,
            more,
        }
    }

    /// Returns how many rows fit, and the profiles of the members among them.
    fn cut(&self, rows: &[Row], profiles: &BTreeMap<UserId, User>) -> (usize, Vec<Row>) {
        let mut bytes = 0;
        let mut beside = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let profile = match row {
                Row::Member(member) => profiles.get(&member.user).filter(|user| !user.name.is_empty()),
                _ => None,
            };
            bytes += encoded_len(row) + profile.map_or(0, encoded_len);
            if place == self.limit || (bytes > PAGE_BYTES && place > 0) {
                return (place, beside);
            }
            beside.extend(profile.cloned().map(Row::User));
        }
        (rows.len(), beside)
    }
}

/// Returns the cursor at which a snapshot of at most the `newest` messages begins, if one is called for: the stream cannot be
/// followed from `cursor`, or more messages are new. `known` is any page after `cursor`: it says how far the stream goes.
#[must_use]
pub fn capped_snapshot(known: &Page, cursor: Option<Cursor>, newest: u32) -> Option<Cursor> {
    if !matches!(known.stream, StreamId::Channel(_)) {
        return None;
    }
    let (head, newest) = (known.head, u64::from(newest));
    let few = |cursor: Cursor| cursor.window.is_some() || head.seq.saturating_sub(cursor.seq) <= newest;
    if !known.reset && cursor.is_some_and(few) {
        return None;
    }
    let lo = (head.seq + 1).saturating_sub(newest);
    Some(Cursor {
        epoch: known.to.epoch,
        ver: 0,
        seq: if known.more { known.to.seq } else { 0 },
        window: Some(SnapshotWindow {
            lo: lo.max(first_of_snapshot(head)),
            ver: head.ver,
        }),
    })
}

fn first_of_snapshot(head: Head) -> u64 {
    if head.ver <= limits::SNAPSHOT_AFTER {
        return 1;
    }
    (head.seq + 1)
        .saturating_sub(limits::SNAPSHOT_MESSAGES as u64)
        .max(1)
}

/// Returns how many bytes a value takes in a frame.
pub(crate) fn encoded_len(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX / 4,
    }
}
