//! What is being loaded into a timeline, for its object.

use crate::{OlderEdge, Paging, Timeline};

/// In which direction messages are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the beginning.
    Older,
    /// Towards the newest.
    Newer,
}

/// How many loads run.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    older: usize,
    newer: usize,
}

impl Loads {
    pub(crate) fn begin(&mut self, direction: Direction) {
        *self.count(direction) += 1;
    }

    pub(crate) fn end(&mut self, direction: Direction) {
        let count = self.count(direction);
        *count = count.saturating_sub(1);
    }

    /// Says how much of a timeline is loaded. `is_here`: whether anything of it is on the device.
    pub(crate) fn paging(&self, timeline: &Timeline, is_here: bool) -> Paging {
        Paging {
            loading_older: self.older > 0,
            loading_newer: self.newer > 0,
            end_of_older: is_here && timeline.edge() == OlderEdge::Start,
            end_of_newer: timeline.is_at_newest(),
        }
    }

    fn count(&mut self, direction: Direction) -> &mut usize {
        match direction {
            Direction::Older => &mut self.older,
            Direction::Newer => &mut self.newer,
        }
    }
}
