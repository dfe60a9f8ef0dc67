//! One thread as one observable object.

use crate::{
    Content, Currency, OlderEdge, Paging, Part, Reach, SyncState, Timeline,
    list::{Diffs, Items},
    lookups::Lookups,
    outbox::Outbox,
    reads::Reads,
    state::lock,
};
use eyeball::{SharedObservable, Subscriber};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{ChannelId, Delta, MessageId, OutboxItem, Read, UserId, overlay::MessageView};

/// Everything of a thread that is not a list, as one value. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadFacts {
    /// The message that began it, with what waits in the outbox laid over it. Absent: it is not on this device.
    pub parent: Option<Arc<MessageView>>,
    /// The place in the channel of the oldest accepted reply that is loaded. Absent: none is.
    pub oldest: Option<u64>,
    /// The place in the channel of the newest accepted reply that is loaded. Absent: none is.
    pub newest: Option<u64>,
    /// Whether replies are there, and what it means when none are.
    pub content: Content,
    /// How much of the replies is loaded.
    pub paging: Paging,
    /// How it stands to what the server has.
    pub currency: Currency,
}

/// A thread: its parent and its replies, kept up to date while a handle lives. Cloning it gives another handle to the same
/// object.
#[derive(Clone)]
pub struct ThreadState(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    parent: MessageId,
    timeline: Timeline,
    known: Mutex<Known>,
    facts: SharedObservable<ThreadFacts>,
}

struct Known {
    parent: Lookups,
    reads: Reads,
    loading_older: usize,
    reach: Reach,
}

impl ThreadState {
    /// Returns the channel.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        self.0.timeline.cid()
    }

    /// Returns the message that began the thread.
    #[must_use]
    pub fn parent_id(&self) -> MessageId {
        self.0.parent
    }

    /// Returns everything that is not a list, as it is now.
    #[must_use]
    pub fn facts(&self) -> ThreadFacts {
        self.0.facts.get()
    }

    /// Returns a reader of [`ThreadState::facts`]. It sees the latest, not each one on the way.
    pub fn subscribe(&self) -> Subscriber<ThreadFacts> {
        self.0.facts.subscribe()
    }

    /// Returns a reader of a part of [`ThreadState::facts`], which wakes only when that part is another one.
    pub fn part<T: Clone + PartialEq>(&self, pick: fn(&ThreadFacts) -> T) -> Part<ThreadFacts, T> {
        Part::new(self.0.facts.subscribe(), pick)
    }

    /// Returns the replies.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.0.timeline
    }

    /// Returns how far everyone who follows the thread has read it, by user.
    #[must_use]
    pub fn reads(&self) -> Items<Read> {
        lock(&self.0.known).reads.list.items()
    }

    /// Returns the same, and what changes from now on.
    #[must_use]
    pub fn subscribe_reads(&self) -> (Items<Read>, Diffs<Read>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.known).reads.list.subscribe(Some(keep))
    }

    pub(crate) fn new(parent: MessageId, timeline: Timeline, me: UserId) -> Self {
        let mut lookups = Lookups::default();
        lookups.want(&BTreeSet::from([parent]));
        Self(Arc::new(Shared {
            parent,
            known: Mutex::new(Known {
                parent: lookups,
                reads: Reads::new(timeline.cid().clone(), Some(parent), me),
                loading_older: 0,
                reach: Reach::default(),
            }),
            timeline,
            facts: SharedObservable::default(),
        }))
    }

    pub(crate) fn reduce(&self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut known = lock(&self.0.known);
        known.parent.reduce(delta, ops, outbox);
        known.reads.reduce(delta, ops, outbox);
    }

    /// Puts the read positions that the store has in the channel.
    pub(crate) fn put_reads(&self, reads: &[Read], outbox: &Outbox) {
        lock(&self.0.known).reads.replace(reads, outbox);
    }

    pub(crate) fn put_reach(&self, reach: Reach) {
        lock(&self.0.known).reach = reach;
    }

    pub(crate) fn lookups<T>(&self, act: impl FnOnce(&mut Lookups) -> T) -> T {
        act(&mut lock(&self.0.known).parent)
    }

    /// See [`ChannelState`](crate::ChannelState).
    pub(crate) fn set_loading_older(&self, loading: bool) {
        let mut known = lock(&self.0.known);
        known.loading_older = match loading {
            true => known.loading_older + 1,
            false => known.loading_older.saturating_sub(1),
        };
    }

    /// Computes the facts again.
    pub(crate) fn settle(&self, status: &SyncState) {
        let known = lock(&self.0.known);
        let (items, timeline) = (self.0.timeline.items(), &self.0.timeline);
        let mut accepted = items.iter().map(|item| item.view.message.seq);
        let oldest = accepted.next().filter(|seq| *seq > 0);
        let newest = accepted.rev().chain(oldest).find(|seq| *seq > 0);
        let parent = known.parent.list.get(&self.0.parent).cloned();
        let unsent = parent.as_ref().is_some_and(|parent| parent.message.seq == 0);
        let is_here = !items.is_empty()
            || unsent
            || known.reach.followed
            || (known.reach.up_to_date && *status == SyncState::Live);
        let facts = ThreadFacts {
            oldest,
            newest,
            content: Content::of(is_here, status),
            paging: Paging {
                loading_older: known.loading_older > 0,
                end_of_older: is_here && timeline.edge() == OlderEdge::Start,
            },
            currency: Currency {
                freshness: timeline.freshness(),
                recovery_needed: !known.reach.up_to_date || !timeline.is_without_gap(),
            },
            parent,
        };
        self.0.facts.set_if_not_eq(facts);
    }
}

impl fmt::Debug for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadState")
            .field("cid", self.cid())
            .field("parent", &self.0.parent)
            .finish_non_exhaustive()
    }
}
