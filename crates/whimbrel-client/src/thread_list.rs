use crate::{Client, Error, command::Command};
use whimbrel_state::{Diffs, Items, LoadState, ThreadItem};

/// The threads that the account follows, the one with the newest reply first: those that it wrote in or began, and those of which
/// it marked something. See [`Client::threads`].
///
/// What waits in the outbox is in it. It is kept up to date while this handle, or a stream of it, lives.
#[derive(Clone, Debug)]
pub struct ThreadList {
    list: whimbrel_state::ThreadList,
    client: Client,
}

impl ThreadList {
    pub(crate) const fn new(list: whimbrel_state::ThreadList, client: Client) -> Self {
        Self { list, client }
    }

    /// Returns the rows as they are now.
    #[must_use]
    pub fn items(&self) -> Items<ThreadItem> {
        self.list.items()
    }

    /// Returns the rows as they are now, and a stream of what changes in them from now on, in batches.
    #[must_use]
    pub fn subscribe(&self) -> (Items<ThreadItem>, Diffs<ThreadItem>) {
        self.list.subscribe()
    }

    /// Returns how much of it is loaded.
    #[must_use]
    pub fn load_state(&self) -> LoadState {
        self.list.load_state()
    }

    /// Returns a reader of [`ThreadList::load_state`].
    pub fn watch_load_state(&self) -> crate::Watch<LoadState> {
        self.list.subscribe_load_state()
    }

    /// Returns whether there are more threads on this device to load.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.list.has_more()
    }

    /// Loads up to `limit` more rows from this device. They are in the list when this returns. At the end it does nothing.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn load_more(&self, limit: usize) -> Result<(), Error> {
        if !self.has_more() {
            return Ok(());
        }
        let list = self.list.clone();
        self.client
            .commands()
            .ask(|reply| Command::MoreThreads { list, limit, reply })
            .await
    }
}
