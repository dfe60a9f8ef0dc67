//! Channels that come from another device of the account: ones that are not followed here.

use super::{Stream, Streams};
use whimbrel_model::{Change, ChannelId, Cursor, Delta, Epoch, Head, RangeSet, StreamId};

impl Streams {
    /// Takes note that rows of a channel are about to be put, of this history. What is not known of it yet is then as if the account
    /// had left it: nothing is covered, and the history is known.
    pub(crate) fn begin_import(&mut self, cid: &ChannelId, epoch: Epoch, delta: &mut Delta) {
        let id = StreamId::Channel(cid.clone());
        if self.streams.contains_key(&id) {
            return;
        }
        let cursor = Cursor {
            epoch,
            ..Cursor::default()
        };
        self.put_left(id, cursor, delta);
    }

    /// Takes note of what the rows cover, unless the device had the channel before: then it goes on from what it had.
    pub(crate) fn end_import(
        &mut self,
        cid: &ChannelId,
        cursor: Cursor,
        ranges: RangeSet,
        delta: &mut Delta,
    ) {
        let id = StreamId::Channel(cid.clone());
        let is_new = |known: Cursor| known.ver == 0 && known.epoch == cursor.epoch;
        if !self.cursor(&id).is_some_and(is_new) {
            return;
        }
        self.put_left(id, cursor, delta);
        self.ranges.insert(cid.clone(), ranges.clone());
        delta.push(Change::Ranges(cid.clone(), ranges));
    }

    fn put_left(&mut self, id: StreamId, cursor: Cursor, delta: &mut Delta) {
        let stream = Stream {
            cursor: Some(cursor),
            head: Head {
                ver: cursor.ver,
                seq: cursor.seq,
            },
            ..Stream::default()
        };
        self.streams.insert(id.clone(), stream);
        self.left.insert(id.clone());
        delta.push(Change::Cursor(id, cursor));
    }
}
