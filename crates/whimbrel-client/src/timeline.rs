use crate::{Client, Error, command::Command};
use whimbrel_model::{ChannelId, MessageScope};
use whimbrel_state::{Diffs, Freshness, Items, OlderEdge, TimelineItem};

/// The newest messages of a channel or thread, from disk, kept up to date while a handle or a subscription of it lives.
///
/// Unsent messages are in it, at the end, in the order in which they were made. A row keeps its identity, the message
/// id, from the first echo on.
#[derive(Clone, Debug)]
pub struct Timeline {
    list: whimbrel_state::Timeline,
    client: Client,
}

impl Timeline {
    pub(crate) const fn new(list: whimbrel_state::Timeline, client: Client) -> Self {
        Self { list, client }
    }

    pub(crate) const fn list(&self) -> &whimbrel_state::Timeline {
        &self.list
    }

    /// Returns the channel.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        self.list.cid()
    }

    /// Returns whether it is the channel's timeline or a thread.
    #[must_use]
    pub fn scope(&self) -> MessageScope {
        self.list.scope()
    }

    /// Returns the rows as they are now, oldest first.
    #[must_use]
    pub fn items(&self) -> Items<TimelineItem> {
        self.list.items()
    }

    /// Returns the rows as they are now, and a stream of what changes from now on.
    ///
    /// All changes of one cause come as one batch; applied in order they rebuild the list exactly. A reader that falls
    /// behind gets one reset.
    #[must_use]
    pub fn subscribe(&self) -> (Items<TimelineItem>, Diffs<TimelineItem>) {
        self.list.subscribe()
    }

    /// Returns what lies before the oldest row.
    #[must_use]
    pub fn edge(&self) -> OlderEdge {
        self.list.edge()
    }

    /// Returns a reader of [`Timeline::edge`].
    pub fn watch_edge(&self) -> crate::Watch<OlderEdge> {
        self.list.subscribe_edge()
    }

    /// Returns how fresh it is, and whether messages of the channel are missing on this device.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.list.freshness()
    }

    /// Returns a reader of [`Timeline::freshness`]. While connected it changes with every heartbeat.
    pub fn watch_freshness(&self) -> crate::Watch<Freshness> {
        self.list.subscribe_freshness()
    }

    /// Loads up to `limit` older messages: from disk, or from the server where there is a gap. They are in the list when
    /// this returns. Offline, what is on disk beyond a gap is loaded, with the gap marked.
    ///
    /// # Errors
    /// [`Error::History`] when they are on the server only and there is no connection, or it refuses.
    pub async fn load_older(&self, limit: usize) -> Result<(), Error> {
        let timeline = self.list.clone();
        self.client
            .commands()
            .ask(|reply| Command::LoadOlder {
                timeline,
                limit,
                reply,
            })
            .await
    }
}
