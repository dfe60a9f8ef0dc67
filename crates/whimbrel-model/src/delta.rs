use crate::{
    ChannelId, Cursor, DeviceId, Head, LocalChange, OpId, OutboxItem, RangeSet, Row, StreamId, Timestamp,
    UserId,
};

/// One local write: everything that one cause changes, committed as a whole or not at all.
///
/// It is the only way to write to a store, and the only thing that state is reduced from. Applying it twice, or
/// after a later one, changes nothing that the rules of [`Row::supersedes`] do not allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// One change within a [`Delta`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets who this database belongs to. The first delta of a new database, and never changed after.
    Account(Account),
    /// Puts a server row, if it supersedes the stored one.
    Row(Row),
    /// Sets the position up to which a stream is on disk.
    Cursor(StreamId, Cursor),
    /// Raises the newest known position of a stream.
    Head(StreamId, Head),
    /// Replaces the runs of messages that are on disk.
    Ranges(ChannelId, RangeSet),
    /// The server's history of this stream is another one now: sets the `ver` of all its rows to 0, so that whatever
    /// the new history says replaces them, and sets its head to what the next [`Change::Head`] says.
    Rebase(StreamId),
    /// Forgets the cursor and head of a stream that may not be followed any more. Its rows stay.
    Unfollow(StreamId),
    /// Sets the token up to which the account's heads are known.
    HeadsToken(String),
    /// Sets the moment, on the server's clock, at which everything that the server had was on the device.
    SyncedAt(Timestamp),
    /// Puts an outbox item: a new one, or a new state of one.
    Outbox(OutboxItem),
    /// Removes an outbox item: decided by the server, or discarded by the user.
    OutboxRemoved(OpId),
    /// Changes what the device keeps for itself.
    Local(LocalChange),
}

/// Who a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub user: UserId,
    /// This installation.
    pub device: DeviceId,
}

impl Delta {
    /// Returns whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds one change.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Appends the changes of `later`, which happened after this one.
    pub fn extend(&mut self, later: Self) {
        self.changes.extend(later.changes);
    }

    /// Iterates over the server rows that it puts.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.changes.iter().filter_map(|change| match change {
            Change::Row(row) => Some(row),
            _ => None,
        })
    }
}

impl From<Change> for Delta {
    fn from(change: Change) -> Self {
        Self {
            changes: vec![change],
        }
    }
}
