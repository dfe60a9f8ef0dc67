//! Of which channels the server is to be told that their messages are here.

use super::{Stream, Streams};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, Epoch, StreamId};

impl Streams {
    /// Returns the channels in which the server is to be told of messages that are here, and up to which.
    pub(crate) fn next_marks(&mut self, now: u64) -> Vec<(ChannelId, u64)> {
        let Self {
            behind,
            streams,
            epoch,
            receipts,
            consents,
            ..
        } = self;
        let covered = |cid: &ChannelId| match consents.is_left(cid) {
            true => 0,
            false => whole(streams, behind, cid, *epoch),
        };
        receipts.next(now, covered)
    }

    /// Returns whether the server is still to be told of messages that are here.
    pub(crate) fn owes_marks(&self) -> bool {
        self.receipts.is_owing(|cid| match self.consents.is_left(cid) {
            true => 0,
            false => whole(&self.streams, &self.behind, cid, self.epoch),
        })
    }
}

/// Returns up to which message of the server's history a channel is on disk.
pub(super) fn covered(streams: &BTreeMap<StreamId, Stream>, cid: &ChannelId, epoch: Option<Epoch>) -> u64 {
    let stream = streams.get(&StreamId::Channel(cid.clone()));
    let cursor = stream.and_then(|stream| stream.cursor);
    cursor
        .filter(|cursor| Some(cursor.epoch) == epoch)
        .map_or(0, |cursor| cursor.seq)
}

/// Returns up to which message a channel that is up to date is on disk; 0 of another one.
fn whole(
    streams: &BTreeMap<StreamId, Stream>,
    behind: &BTreeSet<StreamId>,
    cid: &ChannelId,
    epoch: Option<Epoch>,
) -> u64 {
    if behind.contains(&StreamId::Channel(cid.clone())) {
        return 0;
    }
    covered(streams, cid, epoch)
}
