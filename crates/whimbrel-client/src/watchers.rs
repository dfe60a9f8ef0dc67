//! Who has a channel open now: beside the streams, and never on disk.

use crate::{
    Channel, Error, Watch,
    command::{Command, OfPresence},
};
use eyeball::SharedObservable;
use std::sync::Arc;
use whimbrel_model::UserId;

/// Who has a channel open, on any of their devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchersOf {
    /// How many users, the own one included unless invisible.
    pub count: u64,
    /// Who, in order. Absent: the channel is so large that only their number is told.
    pub users: Option<Vec<UserId>>,
}

/// Who has a channel open now, and every change from then on. Made by [`Channel::watchers`].
///
/// Cheap to clone. As long as a clone lives, the own user has the channel open too, as with an open timeline; when the last is
/// dropped, that ends within a heartbeat.
#[derive(Clone, Debug)]
pub struct Watchers(Arc<SharedObservable<Option<WatchersOf>>>);

impl Watchers {
    pub(crate) const fn new(shown: Arc<SharedObservable<Option<WatchersOf>>>) -> Self {
        Self(shown)
    }

    /// Returns who has the channel open. Absent: it is not known now, for there is no connection, no answer yet, or the account is
    /// no member.
    #[must_use]
    pub fn now(&self) -> Option<WatchersOf> {
        self.0.get()
    }

    /// Returns a reader of [`Watchers::now`]: the value now, and each later one. A slow reader gets the latest. It ends with the last
    /// clone of this.
    pub fn watch(&self) -> Watch<Option<WatchersOf>> {
        self.0.subscribe()
    }
}

impl Channel {
    /// Opens who has the channel open: how many users, and in a channel of at most
    /// [`WATCHERS_NAMED`](whimbrel_model::limits::WATCHERS_NAMED) members who. In a larger one the number follows within some seconds.
    ///
    /// An open timeline, thread or list of the channel's watchers is what counts as having it open. Who is invisible is not
    /// counted, and who has denied the account neither.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn watchers(&self) -> Result<Watchers, Error> {
        let cid = self.cid().clone();
        self.client()
            .commands()
            .ask(|reply| Command::Presence(OfPresence::Watchers { cid, reply }))
            .await
    }
}
