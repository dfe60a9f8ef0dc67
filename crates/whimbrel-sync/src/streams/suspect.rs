//! Noticing a server that has less than the device, and the same history by name: a backup was put back without a word.

use super::Streams;
use whimbrel_model::{Head, StreamId};

impl Streams {
    /// Pulls a stream whose head, as the server tells it, lies behind the cursor.
    pub(crate) fn suspect(&mut self, id: &StreamId, head: Head) {
        let cursor = self.cursor(id);
        if cursor.is_some_and(|cursor| Some(cursor.epoch) == self.epoch && cursor.ver > head.ver) {
            self.behind.insert(id.clone());
            self.suspects.insert(id.clone());
        }
    }

    /// Returns whether nothing speaks for a server that lost history.
    pub(crate) fn is_unsuspicious(&self) -> bool {
        self.suspects.is_empty()
    }
}
