use crate::{
    Client, Error,
    command::{Command, Place, Show},
};
use whimbrel_model::{ChannelId, HistoryFrom, MessageId, MessageScope, Timestamp};
use whimbrel_state::{Diffs, Freshness, Items, NewerEdge, OlderEdge, TimelineItem};

/// Messages of a channel or thread, from disk, kept up to date while a handle or a subscription of it lives: the newest, or
/// a window in the past.
///
/// A window in the past has neither new messages nor unsent ones until [`Timeline::load_newer`] has brought it to the newest,
/// or [`Timeline::jump_to_newest`].
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

    /// Returns what lies after the newest accepted row.
    #[must_use]
    pub fn newer_edge(&self) -> NewerEdge {
        self.list.newer_edge()
    }

    /// Returns a reader of [`Timeline::newer_edge`].
    pub fn watch_newer_edge(&self) -> crate::Watch<NewerEdge> {
        self.list.subscribe_newer_edge()
    }

    /// Returns whether it reaches the newest message, so that new and unsent ones appear in it.
    #[must_use]
    pub fn is_at_newest(&self) -> bool {
        self.list.is_at_newest()
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

    /// Loads up to `limit` newer messages into a window in the past: from disk, or from the server where there is a gap. They
    /// are in the list when this returns. Offline, what is on disk beyond a gap is loaded, with the gap marked. Does nothing
    /// where the list is at the newest.
    ///
    /// # Errors
    /// [`Error::History`] when they are on the server only and there is no connection, or it refuses.
    pub async fn load_newer(&self, limit: usize) -> Result<(), Error> {
        let timeline = self.list.clone();
        self.client
            .commands()
            .ask(|reply| Command::LoadNewer {
                timeline,
                limit,
                reply,
            })
            .await
    }

    /// Shows the newest messages instead of what the list has. Whatever was loaded beyond is dropped from memory.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn jump_to_newest(&self) -> Result<(), Error> {
        self.go_to(HistoryFrom::Newest).await
    }

    /// Shows the messages around one of them instead of what the list has.
    ///
    /// # Errors
    /// As [`Channel::timeline_around`](crate::Channel::timeline_around); the list is as it was.
    pub async fn jump_to(&self, message: MessageId) -> Result<(), Error> {
        self.go_to(HistoryFrom::AroundMessage(message)).await
    }

    /// Shows the messages around a time instead of what the list has.
    ///
    /// # Errors
    /// As [`Channel::timeline_at`](crate::Channel::timeline_at); the list is as it was.
    pub async fn jump_to_time(&self, time: Timestamp) -> Result<(), Error> {
        self.go_to(HistoryFrom::AroundTime(time)).await
    }

    async fn go_to(&self, from: HistoryFrom) -> Result<(), Error> {
        let (cid, scope) = (self.cid().clone(), self.scope());
        let timeline = self.list.clone();
        let go_to = |reply| {
            Command::GoTo(Place {
                cid,
                scope,
                from,
                show: Show::Move(timeline, reply),
            })
        };
        self.client.commands().ask(go_to).await
    }
}
