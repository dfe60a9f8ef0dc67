//! Which gap in what the device had is filled next: what is on the screen first, the newest first.

use super::Streams;
use whimbrel_model::{ChannelId, Gap, RangeSet, StreamId};

impl Streams {
    /// Returns what is missing or stale of a channel, oldest first.
    pub(crate) fn gaps(&self, cid: &ChannelId) -> Vec<Gap> {
        let stream = self.streams.get(&StreamId::Channel(cid.clone()));
        let head = stream.map_or(0, |stream| stream.head.seq);
        let nothing = RangeSet::default();
        self.ranges.get(cid).unwrap_or(&nothing).gaps(head)
    }

    /// Returns the next gap to fill among the newest `newest` messages of a channel, if nothing of it rests at `now`.
    pub(crate) fn next_fill(&mut self, newest: u64, now: u64) -> Option<(ChannelId, Gap)> {
        self.resting.retain(|_, until| *until > now);
        loop {
            let awake = |cid: &&ChannelId| self.gapped.contains(*cid) && !self.resting.contains_key(*cid);
            let visible = self.visible.iter().filter_map(|id| match id {
                StreamId::Channel(cid) => Some(cid),
                StreamId::User(_) => None,
            });
            let cid = visible.chain(&self.gapped).find(awake)?.clone();
            if let Some(gap) = self.fillable(&cid, newest) {
                return Some((cid, gap));
            }
            // It is filled, or older than anyone asks for.
            self.gapped.remove(&cid);
        }
    }

    /// Returns the newest gap of a channel that reaches into its newest messages.
    pub(crate) fn fillable(&self, cid: &ChannelId, newest: u64) -> Option<Gap> {
        let id = StreamId::Channel(cid.clone());
        let head = self.streams.get(&id).filter(|_| !self.left.contains(&id))?.head;
        self.ranges
            .get(cid)?
            .newest_gap(head.seq.saturating_sub(newest) + 1)
    }

    /// Leaves the gaps of a channel alone until a moment, or until the next connection.
    pub(crate) fn rest(&mut self, cid: ChannelId, until: u64) {
        self.resting.insert(cid, until);
    }
}
