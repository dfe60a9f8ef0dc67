//! The threads that the account follows, as a list.

mod row;

use crate::{
    LoadState,
    list::{Diffs, Items, Sorted},
    outbox::{Outbox, parent},
    state::lock,
};
use eyeball::{SharedObservable, Subscriber};
use row::Key;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    Change, ChannelId, Delta, FollowedThread, MessageId, Op, OutboxItem, RangeSet, Row, ThreadPlace, UserId,
    overlay::MessageView,
};

/// One row of the list of threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadItem {
    /// The message that began it: the identity of the row.
    pub parent: MessageView,
    /// The newest reply on this device: the last one that waits, else the last accepted one.
    pub last_reply: Option<MessageView>,
    /// Whether the newest reply is of somebody who is denied.
    pub last_reply_hidden: bool,
    /// Replies that are not deleted, those that wait included.
    pub replies: u32,
    /// Replies on this device past the read position in the thread, a waiting one included, that count as unread.
    pub unread: u64,
    /// Replies past that position which this device may lack: each of them may count.
    pub unread_unknown: u64,
    /// Own replies that still go out.
    pub pending: u32,
}

/// The threads that the account follows in channels that are not denied, the one with the newest reply first, kept up to date while a handle or a [`Diffs`] of
/// it lives. What waits is newer than all that was accepted. Cloning it gives another handle to the same list.
///
/// It holds the threads that began with a message on this device.
#[derive(Clone)]
pub struct ThreadList(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    rows: Mutex<Rows>,
    load: SharedObservable<LoadState>,
}

struct Rows {
    me: UserId,
    stored: HashMap<MessageId, FollowedThread>,
    /// Channels of which threads are not shown that would be if the channel was allowed.
    denied: BTreeSet<ChannelId>,
    reach: Reach,
    keys: HashMap<MessageId, Key>,
    list: Sorted<Key, ThreadItem>,
}

/// How far the list was read. Threads after it are on disk only.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Nothing,
    UpTo(ThreadPlace),
    All,
}

/// Threads that have to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StaleThreads {
    pub(crate) some: BTreeSet<MessageId>,
    pub(crate) all: bool,
}

impl ThreadList {
    /// Returns the rows as they are now.
    #[must_use]
    pub fn items(&self) -> Items<ThreadItem> {
        lock(&self.0.rows).list.items()
    }

    /// Returns the rows as they are now, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<ThreadItem>, Diffs<ThreadItem>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.rows).list.subscribe(Some(keep))
    }

    /// Returns how much of it is loaded.
    #[must_use]
    pub fn load_state(&self) -> LoadState {
        self.0.load.get()
    }

    /// Returns a reader of [`ThreadList::load_state`].
    pub fn subscribe_load_state(&self) -> Subscriber<LoadState> {
        self.0.load.subscribe()
    }

    /// Returns whether there are more threads on this device to load.
    #[must_use]
    pub fn has_more(&self) -> bool {
        matches!(self.load_state(), LoadState::More | LoadState::LoadingMore)
    }

    /// Returns the place after which the next rows are to be read. Absent: from the first.
    #[must_use]
    pub fn next_page(&self) -> Option<ThreadPlace> {
        match lock(&self.0.rows).reach {
            Reach::UpTo(place) => Some(place),
            Reach::Nothing | Reach::All => None,
        }
    }

    /// Returns how many threads are held.
    #[must_use]
    pub fn loaded(&self) -> usize {
        lock(&self.0.rows).stored.len()
    }

    pub(crate) fn new(me: UserId) -> Self {
        Self(Arc::new(Shared {
            rows: Mutex::new(Rows {
                me,
                stored: HashMap::new(),
                denied: BTreeSet::new(),
                reach: Reach::Nothing,
                keys: HashMap::new(),
                list: Sorted::default(),
            }),
            load: SharedObservable::default(),
        }))
    }

    /// Adds the rows that come next in the store's order.
    pub(crate) fn extend(&self, page: Vec<FollowedThread>, has_more: bool, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let has_more = has_more && !matches!(rows.reach, Reach::All);
        match page.last() {
            _ if !has_more => rows.reach = Reach::All,
            Some(last) => rows.reach = Reach::UpTo(last.place()),
            None => {}
        }
        let touched: Vec<_> = page.iter().map(|thread| thread.parent.id).collect();
        rows.stored
            .extend(page.into_iter().map(|thread| (thread.parent.id, thread)));
        rows.settle(touched, outbox);
        drop(rows);
        let state = if has_more { LoadState::More } else { LoadState::End };
        self.0.load.set_if_not_eq(state);
    }

    /// Replaces everything with the first rows in the store's order, as one batch.
    pub(crate) fn replace(&self, page: Vec<FollowedThread>, has_more: bool, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        let touched: BTreeSet<_> = (rows.stored.keys().copied())
            .chain(page.iter().map(|thread| thread.parent.id))
            .collect();
        rows.denied.clear();
        rows.stored = page
            .iter()
            .map(|thread| (thread.parent.id, thread.clone()))
            .collect();
        rows.reach = match page.last() {
            Some(last) if has_more => Reach::UpTo(last.place()),
            _ => Reach::All,
        };
        rows.settle(touched, outbox);
        drop(rows);
        let state = if has_more { LoadState::More } else { LoadState::End };
        self.0.load.set_if_not_eq(state);
    }

    /// Replaces one row. Nothing: it is not there any more.
    pub(crate) fn put(&self, id: MessageId, thread: Option<FollowedThread>, outbox: &Outbox) {
        let mut rows = lock(&self.0.rows);
        match thread {
            Some(thread) => drop(rows.stored.insert(id, thread)),
            None => drop(rows.stored.remove(&id)),
        }
        rows.settle([id], outbox);
    }

    /// Returns the threads that stand for a message: the one that it began, and the one whose newest reply it is.
    fn of_message(&self, id: MessageId) -> Vec<MessageId> {
        let rows = lock(&self.0.rows);
        let is_last =
            |thread: &&FollowedThread| thread.last_reply.as_ref().is_some_and(|reply| reply.id == id);
        let mut found: Vec<_> = rows
            .stored
            .values()
            .filter(is_last)
            .map(|thread| thread.parent.id)
            .collect();
        found.extend(rows.stored.contains_key(&id).then_some(id));
        found
    }

    /// Returns whether threads of a channel are not shown that would be if it was allowed.
    fn hides_threads_of(&self, cid: &ChannelId) -> bool {
        lock(&self.0.rows).denied.contains(cid)
    }

    /// Returns the threads of which other runs of messages on the device may make another number unknown.
    fn unsure_in(&self, cid: &ChannelId, ranges: &RangeSet) -> Vec<MessageId> {
        let rows = lock(&self.0.rows);
        // More runs make it less, but for when the device jumped over changes.
        let jumped = ranges.as_slice().iter().any(|run| run.stale_since.is_some());
        let here = rows.stored.values().filter(|thread| thread.parent.cid == *cid);
        let unsure = here.filter(|thread| jumped || thread.unread_unknown > 0);
        unsure.map(|thread| thread.parent.id).collect()
    }
}

impl Rows {
    fn settle(&mut self, touched: impl IntoIterator<Item = MessageId>, outbox: &Outbox) {
        let mut batch = self.list.edit();
        for id in touched {
            let stored = self.stored.get(&id);
            if let Some(thread) = stored.filter(|thread| row::may_be_allowed(thread, outbox, &self.me)) {
                self.denied.insert(thread.parent.cid.clone());
            }
            let shown = stored
                .and_then(|thread| row::show(thread, outbox, &self.me))
                .filter(|(key, _)| match self.reach {
                    Reach::Nothing => false,
                    Reach::UpTo(end) => key.is_at_or_before(end),
                    Reach::All => true,
                });
            let old = self.keys.remove(&id);
            match &shown {
                Some((key, _)) => drop(self.keys.insert(id, *key)),
                None => drop(self.stored.remove(&id)),
            }
            batch.place(old.as_ref(), shown);
        }
        batch.commit();
    }
}

/// Returns the threads that a delta changes, of which more than it says has to be known.
pub(crate) fn stale(
    list: Option<&ThreadList>,
    me: &UserId,
    delta: &Delta,
    (ops, outbox): (&[Arc<OutboxItem>], &Outbox),
) -> StaleThreads {
    let mut stale = StaleThreads::default();
    let mut add = |threads: Vec<MessageId>| stale.some.extend(threads);
    let shown = |id: MessageId| list.map_or_else(Vec::new, |list| list.of_message(id));
    for change in &delta.changes {
        match change {
            Change::Row(Row::Message(message)) => {
                add(message.parent.into_iter().collect());
                let waits = outbox.replies(message.id).next().is_some();
                if message.thread.is_some() || waits {
                    add(vec![message.id]);
                } else {
                    add(shown(message.id));
                }
            }
            Change::Row(Row::Read(read)) if read.user == *me => add(read.thread.into_iter().collect()),
            Change::Row(Row::Membership(_)) | Change::Rebase(_) | Change::Unfollow(_) => stale.all = true,
            Change::Ranges(cid, ranges) => {
                add(list.map_or_else(Vec::new, |list| list.unsure_in(cid, ranges)));
            }
            _ => {}
        }
    }
    for item in ops {
        match &item.op {
            Op::MarkRead { thread, .. } => add(thread.iter().copied().collect()),
            Op::RemoveMembers { users, .. } if users.contains(me) => stale.all = true,
            Op::UpdateMembership { change, .. } if change.consent.is_some() => stale.all = true,
            Op::AnswerInvite { .. } => stale.all = true,
            Op::SendMessage { cid, .. } if list.is_some_and(|list| list.hides_threads_of(cid)) => {
                stale.all = true;
            }
            op => {
                add(parent(item).into_iter().collect());
                if let Some(id) = op.message() {
                    add(shown(id));
                    // What changes a reply that waits.
                    add(outbox.about(id).filter_map(parent).collect());
                }
            }
        }
    }
    stale
}

impl fmt::Debug for ThreadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadList").finish_non_exhaustive()
    }
}
