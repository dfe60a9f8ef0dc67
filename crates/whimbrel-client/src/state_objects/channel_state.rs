use super::loading::{Loading, Request};
use crate::{Channel, Client, Error, Part, Timeline};
use std::sync::Arc;
use whimbrel_model::{ChannelId, MessageId, Op, Read, overlay::MessageView, permission::Denied};
use whimbrel_state::{ChannelFacts, Diffs, Direction, Items, MemberItem, Pins, TimelineItem};

/// A channel as one object: what a screen shows of it, kept up to date while a handle or a subscription of it lives.
///
/// See [`Client::watch_channel_as_state`]. [`ChannelState::facts`] is everything that is not a list; the messages, the
/// members, the read positions and the quoted messages are lists, each a snapshot with diffs. A fact's change comes after
/// the diffs of the same cause. Cloning it gives another handle to the same object.
#[derive(Clone, Debug)]
pub struct ChannelState {
    state: whimbrel_state::ChannelState,
    timeline: Timeline,
    client: Client,
    /// Ends with the last handle.
    _request: Option<Arc<Request>>,
}

impl ChannelState {
    pub(super) fn new(state: whimbrel_state::ChannelState, client: Client, limit: usize) -> Self {
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

    /// Returns the handle to change the channel with.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::new(self.client.clone(), self.cid().clone())
    }

    /// Returns everything that is not a list, as it is now.
    #[must_use]
    pub fn facts(&self) -> ChannelFacts {
        self.state.facts()
    }

    /// Returns a reader of [`ChannelState::facts`]: the facts now, and each later ones. A slow reader gets the latest.
    pub fn watch(&self) -> crate::Watch<ChannelFacts> {
        self.state.subscribe()
    }

    /// Returns a reader of a part of [`ChannelState::facts`], which wakes only when that part is another one.
    ///
    /// ```
    /// # async fn example(state: &whimbrel_client::ChannelState) {
    /// let mut unread = state.watch_part(|facts| facts.counts.unread);
    /// while let Some(unread) = unread.next().await {
    ///     println!("{unread} unread");
    /// }
    /// # }
    /// ```
    pub fn watch_part<T: Clone + PartialEq>(&self, pick: fn(&ChannelFacts) -> T) -> Part<ChannelFacts, T> {
        self.state.part(pick)
    }

    /// Returns the messages as they are now, oldest first, unsent ones at the end.
    #[must_use]
    pub fn messages(&self) -> Items<TimelineItem> {
        self.timeline.items()
    }

    /// Returns the messages as they are now, and a stream of what changes from now on: see [`Timeline::subscribe`].
    #[must_use]
    pub fn subscribe_messages(&self) -> (Items<TimelineItem>, Diffs<TimelineItem>) {
        self.timeline.subscribe()
    }

    /// Returns the members, by user, those included whom a waiting operation adds.
    #[must_use]
    pub fn members(&self) -> Items<MemberItem> {
        self.state.members()
    }

    /// Returns the members, by user, and a stream of what changes from now on.
    #[must_use]
    pub fn subscribe_members(&self) -> (Items<MemberItem>, Diffs<MemberItem>) {
        self.state.subscribe_members()
    }

    /// Returns the pinned messages that are on this device, wherever they stand.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        self.state.pins()
    }

    /// Returns how far everyone has read the channel, by user, a waiting own position included.
    #[must_use]
    pub fn reads(&self) -> Items<Read> {
        self.state.reads()
    }

    /// Returns how far everyone has read the channel, by user, and a stream of what changes from now on.
    #[must_use]
    pub fn subscribe_reads(&self) -> (Items<Read>, Diffs<Read>) {
        self.state.subscribe_reads()
    }

    /// Returns a message that a loaded message quotes, wherever it stands. Absent: it is not on this device, or none quotes
    /// it.
    #[must_use]
    pub fn quoted(&self, id: MessageId) -> Option<Arc<MessageView>> {
        self.state.quoted(id)
    }

    /// Returns the messages that loaded messages quote, by id, and a stream of what changes from now on.
    #[must_use]
    pub fn subscribe_quoted(&self) -> (Items<MessageView>, Diffs<MessageView>) {
        self.state.subscribe_quoted()
    }

    /// Predicts what the server will say to an operation in this channel, so that a screen need not offer what will be
    /// refused. A change of a message needs the message to be loaded.
    ///
    /// # Errors
    /// [`Denied`], with the server's code and why.
    pub fn predict(&self, op: &Op) -> Result<(), Denied> {
        self.state.predict(op)
    }

    /// Loads up to `limit` older messages: see [`Timeline::load_older`]. [`Paging::loading_older`] says so meanwhile.
    ///
    /// [`Paging::loading_older`]: crate::Paging::loading_older
    ///
    /// # Errors
    /// As [`Timeline::load_older`].
    pub async fn load_older(&self, limit: usize) -> Result<(), Error> {
        let _loading = Loading::begin(&self.client, &self.timeline, Direction::Older);
        self.timeline.load_older(limit).await
    }

    /// Loads up to `limit` newer messages into a window in the past: see [`Timeline::load_newer`].
    ///
    /// # Errors
    /// As [`Timeline::load_newer`].
    pub async fn load_newer(&self, limit: usize) -> Result<(), Error> {
        let _loading = Loading::begin(&self.client, &self.timeline, Direction::Newer);
        self.timeline.load_newer(limit).await
    }

    /// Shows the messages around one of them: see [`Timeline::jump_to`]. [`Paging::end_of_newer`](crate::Paging::end_of_newer)
    /// says that it is a window in the past.
    ///
    /// # Errors
    /// As [`Timeline::jump_to`].
    pub async fn jump_to(&self, message: MessageId) -> Result<(), Error> {
        self.timeline.jump_to(message).await
    }

    /// Shows the newest messages again: see [`Timeline::jump_to_newest`].
    ///
    /// # Errors
    /// As [`Timeline::jump_to_newest`].
    pub async fn jump_to_newest(&self) -> Result<(), Error> {
        self.timeline.jump_to_newest().await
    }
}
