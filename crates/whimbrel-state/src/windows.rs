use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, limits};

/// Accepted rows that a timeline keeps in memory by itself: some twenty screens. What the user loads beyond is kept too.
const ROWS: usize = 500;

/// The bounds of a [`State`](crate::State).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// Failures after which an operation counts as needing attention.
    pub attention_after: u32,
    /// How much of a timeline is kept in memory.
    pub windows: Windows,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            attention_after: limits::ATTENTION_AFTER,
            windows: Windows::default(),
        }
    }
}

/// How many accepted rows a timeline keeps in memory by itself, by the type of its channel.
///
/// Beyond that, and a few more so that it does not happen with each message, the oldest are dropped from the list; on disk
/// they stay, and can be loaded again. What the user loads beyond is kept until the list shows the newest anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    rows: usize,
    of_types: BTreeMap<String, usize>,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            rows: ROWS,
            of_types: BTreeMap::new(),
        }
    }
}

impl Windows {
    /// Sets the number of rows for the types that have none of their own. At least 1; 500 without it.
    pub fn set_default(&mut self, rows: usize) {
        self.rows = rows.max(1);
    }

    /// Sets the number of rows for a channel type. At least 1.
    pub fn set(&mut self, channel_type: impl Into<String>, rows: usize) {
        self.of_types.insert(channel_type.into(), rows.max(1));
    }

    /// Returns how many rows a timeline of a channel keeps.
    #[must_use]
    pub fn rows(&self, cid: &ChannelId) -> usize {
        self.of_types
            .get(cid.channel_type())
            .copied()
            .unwrap_or(self.rows)
    }
}
