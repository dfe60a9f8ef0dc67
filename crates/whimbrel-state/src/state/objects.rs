//! The composed objects: opened, and fed with what the store has.

use super::{State, lock};
use crate::{
    Admission, ChannelList, ChannelState, Direction, Drafts, GlobalState, Pins, QueryChannelsState,
    ThreadState, Timeline, Unread, loading::Loads, lookups::Lookups,
};
use std::{collections::BTreeSet, sync::Arc};
use whimbrel_model::{ChannelId, Member, Message, MessageId, MessageScope, Read};
use whimbrel_query::Query;

/// What composed objects are made of, and fed with.
impl State {
    /// Opens the object of a channel over one of its open timelines, or returns the one that is open already. What the store
    /// has of the channel is to be put next: [`State::put_people`] and [`State::put_channel`].
    #[must_use = "an object that nobody holds is forgotten"]
    pub fn open_channel_state(&self, timeline: &Timeline, drafts: &Drafts, pins: &Pins) -> ChannelState {
        let open = self.channel_state(timeline);
        open.unwrap_or_else(|| {
            let (timeline, drafts, pins) = (timeline.clone(), drafts.clone(), pins.clone());
            let channel = ChannelState::new(self.0.me.clone(), timeline, drafts, pins);
            let mut inner = lock(&self.0.inner);
            inner.objects.channels.push(Arc::downgrade(&channel.0));
            channel
        })
    }

    /// Returns the object of a channel over that very timeline, if it is open.
    #[must_use]
    pub fn channel_state(&self, timeline: &Timeline) -> Option<ChannelState> {
        let mut open = lock(&self.0.inner).objects.channels().into_iter();
        open.find(|channel| channel.is_over(timeline))
    }

    /// Opens the object of the thread of `parent` over its open timeline, or returns the one that is open already. How far it
    /// was read is to be put next: [`State::put_thread_reads`] and [`State::put_thread`].
    #[must_use = "an object that nobody holds is forgotten"]
    pub fn open_thread_state(&self, timeline: &Timeline, parent: MessageId, drafts: &Drafts) -> ThreadState {
        let mut inner = lock(&self.0.inner);
        let key = (timeline.cid().clone(), parent);
        if let Some(open) = inner.objects.thread(&key) {
            return open;
        }
        let thread = ThreadState::new(parent, timeline.clone(), drafts.clone(), self.0.me.clone());
        inner.objects.threads.insert(key, Arc::downgrade(&thread.0));
        inner.settle_objects(&self.0.me);
        thread
    }

    /// Returns the channels of which an object is open.
    #[must_use]
    pub fn open_channel_states(&self) -> Vec<ChannelId> {
        let open = lock(&self.0.inner).objects.channels();
        let cids: BTreeSet<_> = open.iter().map(|channel| channel.cid().clone()).collect();
        cids.into_iter().collect()
    }

    /// Returns the threads of which an object is open, by channel and parent.
    #[must_use]
    pub fn open_thread_states(&self) -> Vec<(ChannelId, MessageId)> {
        let open = lock(&self.0.inner).objects.threads();
        let keys = open.iter();
        keys.map(|thread| (thread.cid().clone(), thread.parent_id()))
            .collect()
    }

    /// Opens an object of a list of channels.
    #[must_use = "an object that nobody holds is forgotten"]
    pub fn open_channels_state(&self, list: &ChannelList) -> QueryChannelsState {
        let mut inner = lock(&self.0.inner);
        let state = QueryChannelsState::new(list.clone());
        inner.objects.lists.push(Arc::downgrade(&state.0));
        inner.settle_objects(&self.0.me);
        state
    }

    /// Opens a list of a query of channels with a rule of its own, with nothing loaded yet.
    #[must_use = "a list that nobody holds is forgotten"]
    pub fn open_channels_by(&self, query: &Query, admission: Arc<dyn Admission>) -> ChannelList {
        let list = ChannelList::new(self.0.me.clone(), query.clone(), Some(admission));
        lock(&self.0.inner).channels.push(Arc::downgrade(&list.0));
        list
    }

    /// Opens the object of the account, or returns the one that is open already.
    #[must_use = "an object that nobody holds is forgotten"]
    pub fn open_global_state(&self, unread: &Unread, drafts: &Drafts) -> GlobalState {
        let mut inner = lock(&self.0.inner);
        if let Some(open) = inner.objects.global.upgrade() {
            return GlobalState(open);
        }
        let global = GlobalState::new(self.0.me.clone(), unread.clone(), drafts.clone());
        inner.objects.global = Arc::downgrade(&global.0);
        inner.settle_objects(&self.0.me);
        global
    }

    /// Puts how far everyone has read a thread, for its open object.
    pub fn put_thread_reads(&self, cid: &ChannelId, parent: MessageId, reads: &[Read]) {
        let mut inner = lock(&self.0.inner);
        if let Some(thread) = inner.objects.thread(&(cid.clone(), parent)) {
            thread.put_reads(reads, &inner.outbox);
        }
        inner.settle_objects(&self.0.me);
    }

    /// Puts everyone who is in a channel, and how far they have read it, for its open object.
    pub fn put_people(&self, cid: &ChannelId, members: &[Member], reads: &[Read]) {
        let mut inner = lock(&self.0.inner);
        for channel in inner.objects.of(cid) {
            channel.put_people(members, reads, &inner.outbox);
        }
        inner.settle_objects(&self.0.me);
    }

    /// Returns the messages that open objects need and that were not read from the store yet, for [`State::put_message`].
    #[must_use]
    pub fn wanted_messages(&self) -> Vec<MessageId> {
        let mut inner = lock(&self.0.inner);
        let mut wanted = BTreeSet::new();
        for channel in inner.objects.channels() {
            channel.lookups(|lookups| wanted.extend(lookups.unread()));
        }
        for thread in inner.objects.threads() {
            thread.lookups(|lookups| wanted.extend(lookups.unread()));
        }
        wanted.into_iter().collect()
    }

    /// Lets every message that an open object needs be read from the store again.
    pub fn forget_messages(&self) {
        let mut inner = lock(&self.0.inner);
        for channel in inner.objects.channels() {
            channel.lookups(Lookups::forget);
        }
        for thread in inner.objects.threads() {
            thread.lookups(Lookups::forget);
        }
    }

    /// Puts one of [`State::wanted_messages`]. Absent: it is not on this device.
    pub fn put_message(&self, id: MessageId, message: Option<&Message>) {
        let mut inner = lock(&self.0.inner);
        for channel in inner.objects.channels() {
            channel.lookups(|lookups| lookups.put(id, message, &inner.outbox));
        }
        for thread in inner.objects.threads() {
            thread.lookups(|lookups| lookups.put(id, message, &inner.outbox));
        }
        inner.settle_objects(&self.0.me);
    }

    /// Takes note that somebody loads messages into an open timeline. [`State::end_loading`] has to follow.
    pub fn begin_loading(&self, timeline: &Timeline, direction: Direction) {
        self.loads(timeline, |loads| loads.begin(direction));
    }

    /// Takes note that a load of messages is over.
    pub fn end_loading(&self, timeline: &Timeline, direction: Direction) {
        self.loads(timeline, |loads| loads.end(direction));
    }

    fn loads(&self, timeline: &Timeline, act: impl FnOnce(&mut Loads)) {
        let channel = self.channel_state(timeline);
        let mut inner = lock(&self.0.inner);
        match (timeline.scope(), channel) {
            (MessageScope::Channel, Some(channel)) => channel.loads(act),
            (MessageScope::Thread(parent), _) => {
                if let Some(thread) = inner.objects.thread(&(timeline.cid().clone(), parent)) {
                    thread.loads(act);
                }
            }
            (MessageScope::Channel, None) => {}
        }
        inner.settle_objects(&self.0.me);
    }

    /// Takes note that the next rows of a list are being read, or that they could not be.
    pub fn set_loading_more(&self, list: &ChannelList, loading: bool) {
        let mut inner = lock(&self.0.inner);
        list.set_loading_more(loading);
        inner.settle_objects(&self.0.me);
    }
}
