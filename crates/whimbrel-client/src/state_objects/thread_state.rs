use super::loading::{Loading, Request};
use crate::{Client, Error, Part, Timeline};
use std::sync::Arc;
use whimbrel_model::{ChannelId, MessageId, Read};
use whimbrel_state::{Diffs, Direction, Items, ThreadFacts, TimelineItem};

/// A thread as one object: its parent, its replies and how far they were read, kept up to date while a handle or a
/// subscription of it lives.
///
/// See [`Client::replies_as_state`]. Cloning it gives another handle to the same object.
#[derive(Clone, Debug)]
pub struct ThreadState {
    state: whimbrel_state::ThreadState,
    timeline: Timeline,
    client: Client,
    /// Ends with the last handle.
    _request: Option<Arc<Request>>,
}

impl ThreadState {
    pub(super) fn new(state: whimbrel_state::ThreadState, client: Client, limit: usize) -> Self {
        let timeline = Timeline::new(state.timeline().clone(), client.clone());
        let request = Request::start(&client, &timeline, limit);
        Self {
            timeline,
            state,
            client,
            _request: request.map(Arc::new),
        }
    }

    /// Returns the channel's id.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        self.state.cid()
    }

    /// Returns the id of the message that began the thread.
    #[must_use]
    pub fn parent_id(&self) -> MessageId {
        self.state.parent_id()
    }

    /// Returns everything that is not a list, as it is now.
    #[must_use]
    pub fn facts(&self) -> ThreadFacts {
        self.state.facts()
    }

    /// Returns a reader of [`ThreadState::facts`]: the facts now, and each later ones. A slow reader gets the latest.
    pub fn watch(&self) -> crate::Watch<ThreadFacts> {
        self.state.subscribe()
    }

    /// Returns a reader of a part of [`ThreadState::facts`], which wakes only when that part is another one.
    pub fn watch_part<T: Clone + PartialEq>(&self, pick: fn(&ThreadFacts) -> T) -> Part<ThreadFacts, T> {
        self.state.part(pick)
    }

    /// Returns the replies as they are now, oldest first, unsent ones at the end.
    #[must_use]
    pub fn messages(&self) -> Items<TimelineItem> {
        self.timeline.items()
    }

    /// Returns the replies as they are now, and a stream of what changes from now on: see [`Timeline::subscribe`].
    #[must_use]
    pub fn subscribe_messages(&self) -> (Items<TimelineItem>, Diffs<TimelineItem>) {
        self.timeline.subscribe()
    }

    /// Returns how far everyone who follows the thread has read it, by user, a waiting own position included.
    #[must_use]
    pub fn reads(&self) -> Items<Read> {
        self.state.reads()
    }

    /// Returns how far everyone who follows the thread has read it, by user, and a stream of what changes from now on.
    #[must_use]
    pub fn subscribe_reads(&self) -> (Items<Read>, Diffs<Read>) {
        self.state.subscribe_reads()
    }

    /// Loads up to `limit` older replies: see [`Timeline::load_older`].
    ///
    /// # Errors
    /// As [`Timeline::load_older`].
    pub async fn load_older(&self, limit: usize) -> Result<(), Error> {
        let _loading = Loading::begin(&self.client, &self.timeline, Direction::Older);
        self.timeline.load_older(limit).await
    }
}
