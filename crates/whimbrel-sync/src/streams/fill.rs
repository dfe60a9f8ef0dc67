//! What is on disk of a channel, and which gap in what the device had is filled next: what is on the screen first, the newest first.

use super::Streams;
use whimbrel_model::{Change, ChannelId, Delta, Gap, RangeSet, StreamId};

impl Streams {
    /// Returns what is missing or stale of a channel, oldest first.
    pub(crate) fn gaps(&self, cid: &ChannelId) -> Vec<Gap> {
        let nothing = RangeSet::default();
        self.ranges.get(cid).unwrap_or(&nothing).gaps(self.head_seq(cid))
    }

    /// Returns the channels of which messages are missing: not those that are only stale.
    pub(crate) fn incomplete(&self) -> Vec<ChannelId> {
        let channels = self.streams.keys().filter(|id| !self.left.contains(*id));
        let channels = channels.filter_map(|id| match id {
            StreamId::Channel(cid) => Some(cid),
            StreamId::User(_) => None,
        });
        let lacks = |cid: &&ChannelId| self.gaps(cid).iter().any(|gap| !gap.stale);
        channels.filter(lacks).cloned().collect()
    }

    pub(crate) fn fresh_start(&self, cid: &ChannelId, before: u64) -> u64 {
        let ranges = self.ranges.get(cid);
        ranges.map_or(before, |ranges| ranges.fresh_start(before.saturating_sub(1)))
    }

    pub(crate) fn fresh_end(&self, cid: &ChannelId, after: u64) -> u64 {
        let ranges = self.ranges.get(cid);
        ranges.map_or(after, |ranges| ranges.fresh_end(after.saturating_add(1)))
    }

    pub(crate) fn is_fresh(&self, cid: &ChannelId, lo: u64, hi: u64) -> bool {
        lo > hi || self.ranges.get(cid).is_some_and(|ranges| ranges.is_fresh(lo, hi))
    }

    pub(crate) fn head_seq(&self, cid: &ChannelId) -> u64 {
        let stream = self.streams.get(&StreamId::Channel(cid.clone()));
        stream.map_or(0, |stream| stream.head.seq)
    }

    /// Returns the next gap to fill among the newest `newest` messages of a channel, if nothing of it rests at `now`.
    pub(crate) fn next_fill(&mut self, newest: u64, now: u64) -> Option<(ChannelId, Gap)> {
        self.resting.retain(|_, until| *until > now);
        loop {
            let awake = |cid: &&ChannelId| {
                let left_out = self.is_aside(cid) || self.consents.cap(cid).is_some();
                self.gapped.contains(*cid) && !self.resting.contains_key(*cid) && !left_out
            };
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

    pub(super) fn add_range(&mut self, cid: &ChannelId, lo: u64, hi: u64, delta: &mut Delta) {
        if lo == 0 || lo > hi {
            return;
        }
        let ranges = self.ranges.entry(cid.clone()).or_default();
        ranges.insert(lo, hi);
        if ranges.has_gap() {
            self.gapped.insert(cid.clone());
        }
        delta.push(Change::Ranges(cid.clone(), ranges.clone()));
    }

    pub(super) fn mark_stale(&mut self, cid: &ChannelId, ver: u64, delta: &mut Delta) {
        let Some(ranges) = self.ranges.get_mut(cid) else {
            return;
        };
        ranges.mark_stale(ver);
        self.gapped.insert(cid.clone());
        delta.push(Change::Ranges(cid.clone(), ranges.clone()));
    }
}
