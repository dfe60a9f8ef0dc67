//! One thread as one observable object.

use crate::{
    Content, Currency, DraftView, Drafts, Paging, Part, Reach, SyncState, Timeline, TimelineItem,
    list::{Diffs, Items},
    loading::Loads,
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
use whimbrel_model::{
    Change, ChannelId, Delta, FollowedThread, MessageId, Op, OutboxItem, Read, ReadPosition, Row, StreamId,
    UserId,
    overlay::{MessageStatus, MessageView},
};

/// Everything of a thread that is not a list, as one value. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadFacts {
    /// The message that began it, with what waits in the outbox laid over it. Absent: it is not on this device.
    pub parent: Option<Arc<MessageView>>,
    /// Replies that are not deleted, own ones that wait included, wherever they stand.
    pub replies: u32,
    /// What is unread in it, if the account follows it.
    pub unread: ThreadUnread,
    /// What is being written for it, on whichever device.
    pub draft: Option<Arc<DraftView>>,
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

/// What is unread in a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUnread {
    /// Whether the account follows it: wrote what began it or in it, or has read it.
    pub followed: bool,
    /// How far the account has read it: what is unread comes after it.
    pub read: ReadPosition,
    /// Replies on this device past the read position that count as unread. None do where it is not followed.
    pub replies: u64,
    /// Replies past that position which this device may lack: each of them may count.
    pub unknown: u64,
}

/// A thread: its parent and its replies, kept up to date while a handle lives. Cloning it gives another handle to the same
/// object.
#[derive(Clone)]
pub struct ThreadState(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    parent: MessageId,
    timeline: Timeline,
    drafts: Drafts,
    known: Mutex<Known>,
    facts: SharedObservable<ThreadFacts>,
}

struct Known {
    parent: Lookups,
    reads: Reads,
    thread: Option<FollowedThread>,
    /// Whether the thread is about to be read again: until then nothing is computed of it.
    awaits_thread: bool,
    loads: Loads,
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

    pub(crate) fn new(parent: MessageId, timeline: Timeline, drafts: Drafts, me: UserId) -> Self {
        let mut lookups = Lookups::default();
        lookups.want(&BTreeSet::from([parent]));
        Self(Arc::new(Shared {
            parent,
            known: Mutex::new(Known {
                parent: lookups,
                reads: Reads::new(timeline.cid().clone(), Some(parent), me),
                thread: None,
                awaits_thread: true,
                loads: Loads::default(),
                reach: Reach::default(),
            }),
            timeline,
            drafts,
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

    pub(crate) fn lookups(&self, act: impl FnOnce(&mut Lookups)) {
        act(&mut lock(&self.0.known).parent);
    }

    pub(crate) fn loads(&self, act: impl FnOnce(&mut Loads)) {
        act(&mut lock(&self.0.known).loads);
    }

    /// Takes note that the thread is about to be put, if `delta` says less than everything of it. Returns whether it does.
    pub(crate) fn waits_for_thread(&self, delta: &Delta, ops: &[Arc<OutboxItem>]) -> bool {
        let changed = delta.changes.iter().any(|change| self.is_changed_by(change));
        let reads = |op: &Op| op.cid() == Some(self.cid()) && op.read_thread() == Some(self.0.parent);
        let waits = changed || ops.iter().any(|item| reads(&item.op));
        lock(&self.0.known).awaits_thread |= waits;
        waits
    }

    fn is_changed_by(&self, change: &Change) -> bool {
        match change {
            Change::Row(Row::Message(row)) => row.id == self.0.parent || row.parent == Some(self.0.parent),
            Change::Row(Row::Read(row)) => row.thread == Some(self.0.parent),
            Change::Ranges(cid, _)
            | Change::Head(StreamId::Channel(cid), _)
            | Change::Rebase(StreamId::Channel(cid)) => cid == self.cid(),
            _ => false,
        }
    }

    /// Puts what the store has of the thread. Absent: what began it is not on this device.
    pub(crate) fn put_thread(&self, thread: Option<&FollowedThread>) {
        let mut known = lock(&self.0.known);
        known.thread = thread.filter(|thread| thread.parent.cid == *self.cid()).cloned();
        known.awaits_thread = false;
    }

    /// Computes the facts again.
    pub(crate) fn settle(&self, status: &SyncState) {
        let known = lock(&self.0.known);
        if known.awaits_thread {
            return;
        }
        let (items, timeline) = (self.0.timeline.items(), &self.0.timeline);
        let mut accepted = items.iter().map(|item| item.view.message.seq);
        let oldest = accepted.next().filter(|seq| *seq > 0);
        let newest = accepted.rev().chain(oldest).find(|seq| *seq > 0);
        let parent = known.parent.list.get(&self.0.parent);
        let parent = parent.filter(|view| view.message.cid == *self.cid()).cloned();
        let unsent = parent.as_ref().is_some_and(|parent| parent.message.seq == 0);
        let is_here = !items.is_empty()
            || unsent
            || known.reach.followed
            || (known.reach.up_to_date && *status == SyncState::Live);
        let is_waiting = |item: &&Arc<TimelineItem>| item.view.status == MessageStatus::Pending;
        let waiting = items.iter().rev().take_while(|item| item.view.message.seq == 0);
        let waiting = u32::try_from(waiting.filter(is_waiting).count()).unwrap_or(u32::MAX);
        let accepted = parent.as_ref().and_then(|parent| parent.message.thread);
        let facts = ThreadFacts {
            replies: accepted
                .map_or(0, |summary| summary.replies)
                .saturating_add(waiting),
            unread: known.unread(),
            draft: self.0.drafts.get(self.cid(), Some(self.0.parent)),
            oldest,
            newest,
            content: Content::of(is_here, status),
            paging: known.loads.paging(timeline, is_here),
            currency: Currency {
                freshness: timeline.freshness(),
                recovery_needed: !known.reach.up_to_date || !timeline.is_without_gap(),
            },
            parent,
        };
        self.0.facts.set_if_not_eq(facts);
    }
}

impl Known {
    fn unread(&self) -> ThreadUnread {
        let Some(thread) = &self.thread else {
            return ThreadUnread::default();
        };
        let counted = |count| if thread.followed { count } else { 0 };
        ThreadUnread {
            followed: thread.followed,
            read: thread.position(),
            replies: counted(thread.unread),
            unknown: counted(thread.unread_unknown),
        }
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
