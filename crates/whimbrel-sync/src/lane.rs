use std::collections::VecDeque;
use whimbrel_model::OpId;

/// The undecided operations of one lane, oldest first; a prefix of them is on its way.
#[derive(Debug, Default)]
pub(crate) struct LaneQueue {
    queue: VecDeque<(u64, OpId)>,
    /// How many of the first are on their way on this connection.
    in_flight: usize,
    /// When the oldest of them left.
    pub(crate) sent_at: u64,
    /// Before this moment nothing is sent.
    pub(crate) retry_at: Option<u64>,
    /// Failures in a row.
    pub(crate) failures: u32,
}

impl LaneQueue {
    pub(crate) fn push(&mut self, pos: u64, id: OpId) {
        // At its place: a repeated operation may come before what waited for it.
        let index = self.queue.partition_point(|(other, _)| *other < pos);
        self.queue.insert(index, (pos, id));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.in_flight < self.queue.len()
    }

    /// Returns whether the operation at `pos` is on its way.
    pub(crate) fn is_in_flight(&self, pos: u64) -> bool {
        self.queue
            .iter()
            .take(self.in_flight)
            .any(|(sent, _)| *sent == pos)
    }

    /// Takes the next operation to send, with the one before it that is undecided.
    pub(crate) fn send_next(&mut self, now: u64) -> Option<(u64, Option<OpId>)> {
        let (pos, _) = *self.queue.get(self.in_flight)?;
        let after = self
            .in_flight
            .checked_sub(1)
            .and_then(|before| self.queue.get(before))
            .map(|(_, id)| *id);
        if self.in_flight == 0 {
            self.sent_at = now;
        }
        self.in_flight += 1;
        Some((pos, after))
    }

    /// Removes a decided operation.
    pub(crate) fn remove(&mut self, pos: u64, now: u64) {
        let Ok(index) = self.queue.binary_search_by_key(&pos, |(pos, _)| *pos) else {
            return;
        };
        self.queue.remove(index);
        if index < self.in_flight {
            self.in_flight -= 1;
            self.sent_at = now;
        }
    }

    /// Takes `pos` and everything after it back from being on its way. Returns whether it was.
    pub(crate) fn rewind_to(&mut self, pos: u64) -> bool {
        let Ok(index) = self.queue.binary_search_by_key(&pos, |(pos, _)| *pos) else {
            return false;
        };
        let was = index < self.in_flight;
        self.in_flight = self.in_flight.min(index);
        was
    }

    /// Takes everything back from being on its way, and returns the positions that were.
    pub(crate) fn rewind(&mut self) -> Vec<u64> {
        let were = self
            .queue
            .iter()
            .take(self.in_flight)
            .map(|(pos, _)| *pos)
            .collect();
        self.in_flight = 0;
        were
    }

    /// Returns the operations, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = u64> {
        self.queue.iter().rev().map(|(pos, _)| *pos)
    }

    /// Returns the operations after `pos`, oldest first.
    pub(crate) fn after(&self, pos: u64) -> impl Iterator<Item = u64> {
        self.queue
            .iter()
            .map(|(pos, _)| *pos)
            .filter(move |other| *other > pos)
    }
}
