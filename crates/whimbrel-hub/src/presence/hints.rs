//! What servers tell one another of who is there. Any of it may be lost: what is true is said again with every beat.

use serde::{Deserialize, Serialize};
use whimbrel_model::{ChannelId, Contact, Custom, Settings, Timestamp, UserId};

/// One message on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Which server.
    pub(super) server: String,
    /// Which start of it. A later one is greater.
    pub(super) boot: i64,
    pub(super) hints: Vec<Hint>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hint {
    /// Somebody has a connection, or has changed.
    Here(Here),
    /// The last connection of somebody has ended.
    Left(UserId, Timestamp),
    /// Somebody who may be seen has a channel open.
    Opened(ChannelId, UserId),
    /// Nobody is to see any more that somebody has a channel open.
    Closed(ChannelId, UserId),
    /// Somebody is in a channel no longer.
    Out(ChannelId, UserId),
    /// Settings were committed.
    Settings(Settings),
    /// Somebody decided of somebody else.
    Contact(Contact),
    /// Of all users with a connection, in their order, those after one and through another: no others are between.
    Users(Run<UserId, Here>),
    /// The same of channels that somebody has open.
    Open(Run<(ChannelId, UserId), (ChannelId, UserId)>),
    /// The server ends.
    Ends,
}

/// A part of something sorted, that stands for all that there is between its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run<K, T> {
    /// Where it begins, exclusive. Absent: at the very beginning.
    pub(super) after: Option<K>,
    /// Where it ends, inclusive. Absent: at the very end.
    pub(super) through: Option<K>,
    pub(super) items: Vec<T>,
}

/// Somebody who has a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Here {
    pub(super) user: UserId,
    pub(super) active: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) invisible: bool,
    /// The version of the settings.
    pub(super) ver: u64,
    /// The text and the data beside the presence. Absent: as they are in that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) says: Option<(String, Custom)>,
}

impl Here {
    /// Leaves out what is said in full only when it changes.
    pub(super) fn short(self) -> Self {
        Self { says: None, ..self }
    }
}

impl<K: Clone + Ord, T> Run<K, T> {
    /// Cuts what is sorted by `key` into runs of at most `most` items. There is always one.
    pub(super) fn cut(items: Vec<T>, most: usize, key: impl Fn(&T) -> K) -> Vec<Self> {
        let mut runs = Vec::with_capacity(items.len() / most + 1);
        let mut items = items.into_iter().peekable();
        let mut after = None;
        loop {
            let some: Vec<T> = items.by_ref().take(most).collect();
            let through = items.peek().and(some.last()).map(&key);
            let is_last = through.is_none();
            runs.push(Self {
                after: after.take(),
                through: through.clone(),
                items: some,
            });
            if is_last {
                return runs;
            }
            after = through;
        }
    }

    /// Returns whether a key is between the bounds.
    pub(super) fn covers(&self, key: &K) -> bool {
        self.after.as_ref().is_none_or(|after| key > after)
            && self.through.as_ref().is_none_or(|through| key <= through)
    }
}
