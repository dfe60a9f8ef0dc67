mod account;
mod local;
mod objects;
mod open_objects;
mod pins;
mod receipts;
mod threads;
mod timelines;

use crate::{
    ChangedBy, ChannelList, ChannelRow, Diffs, Freshness, Items, OutboxSummary, Reach, Source, StateConfig,
    SyncState, Unread, account::Account, channel_list, consents::Consents, outbox::Outbox, typing::Typing,
    unread, users::Users,
};
use eyeball::{SharedObservable, Subscriber};
use open_objects::Objects;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use timelines::Timelines;
use whimbrel_model::{
    Change, ChannelId, ChannelSummary, Delta, MessageId, MessageQuery, Op, OutboxItem, Row, StreamId,
    Timestamp, User, UserId,
};
use whimbrel_query::Query;

/// What has to be read again from the store after a delta, because the delta alone does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "what is not read again stays as it was on the screen"]
pub struct Stale {
    /// Rows of open lists of channels, for [`State::put_channel`], or [`State::put_no_channel`] where there is none.
    pub channels: Vec<ChannelId>,
    /// Threads of the open list, or of the open totals of what is unread, for [`State::put_thread`].
    pub threads: Vec<MessageId>,
    /// Messages that waiting pins are of, for [`State::put_pin`].
    pub pins: Vec<MessageId>,
    /// Whether all followed threads have to be read again, for [`State::put_threads`].
    pub all_threads: bool,
    /// Threads of open objects, for [`State::put_thread`]; also where all followed ones are read.
    pub open_threads: Vec<MessageId>,
    /// Messages of open timelines, for [`State::put_messages`]. At most one query for each.
    pub messages: Vec<MessageQuery>,
    /// Whether everything that is counted or chosen by [`State::people`] has to be read again: the rows of lists of channels,
    /// what is unread, the threads.
    pub people: bool,
}

/// What follows from the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "what is not read again stays as it was on the screen"]
pub struct Moment {
    /// When something that is shown ends next.
    pub next: Option<Timestamp>,
    /// As [`Stale::people`].
    pub people: bool,
}

/// Everything observable of one account on one device. Cloning it gives another handle to the same state.
///
/// Every method returns at once. What reads the store in between is for the driver, see the crate's documentation.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    me: UserId,
    inner: Mutex<Inner>,
    status: SharedObservable<SyncState>,
    /// Counts the changes of profiles.
    users: SharedObservable<u64>,
    outbox: SharedObservable<OutboxSummary>,
    typing: Typing,
    local: crate::local::Shown,
}

/// Locked before a timeline or a list, never after.
struct Inner {
    account: Account,
    consents: Consents,
    outbox: Outbox,
    users: Users,
    timelines: Timelines,
    channels: Vec<Weak<channel_list::Shared>>,
    unread: Weak<unread::Shared>,
    pub(crate) threads: Weak<crate::threads::Shared>,
    pub(crate) drafts: Weak<crate::drafts::Shared>,
    pins: HashMap<ChannelId, Weak<crate::pins::Shared>>,
    now: Timestamp,
    objects: Objects,
}

impl State {
    /// Creates the state of `me`, with what its store holds in the outbox.
    #[must_use]
    pub fn new(me: UserId, outbox: Vec<OutboxItem>) -> Self {
        Self::with_config(me, outbox, StateConfig::default())
    }

    /// Creates a state with bounds other than the usual ones.
    #[must_use]
    pub fn with_config(me: UserId, outbox: Vec<OutboxItem>, config: StateConfig) -> Self {
        let outbox = Outbox::new(outbox, config.attention_after);
        let account = Account::new(me.clone());
        Self(Arc::new(Shared {
            me,
            status: SharedObservable::default(),
            users: SharedObservable::default(),
            outbox: outbox.summary().clone(),
            typing: Typing::default(),
            local: crate::local::Shown::default(),
            inner: Mutex::new(Inner {
                account,
                consents: Consents::default(),
                outbox,
                users: Users::default(),
                timelines: Timelines::new(config.windows),
                channels: Vec::new(),
                unread: Weak::default(),
                threads: Weak::default(),
                drafts: Weak::default(),
                pins: HashMap::new(),
                now: Timestamp::default(),
                objects: Objects::default(),
            }),
        }))
    }

    /// Returns the account.
    #[must_use]
    pub fn me(&self) -> &UserId {
        &self.0.me
    }

    /// Takes in a delta that was committed to the store. Deltas come in the order of their commits.
    pub fn reduce(&self, delta: &Delta) -> Stale {
        let mut inner = lock(&self.0.inner);
        let ops = inner.outbox.reduce(delta);
        let Inner { account, outbox, .. } = &mut *inner;
        account.reduce(delta, &ops, outbox);
        inner.consents.because_of(delta, &ops, &self.0.me);
        self.0.local.reduce(delta);
        let mut stale = Stale {
            people: inner.settle_people(&self.0.typing),
            ..Stale::default()
        };
        for timeline in inner.timelines.all() {
            let query = timeline.change(|window| window.reduce(delta, &ops, &inner.outbox));
            stale.messages.extend(query);
        }
        for receipts in inner.message_receipts() {
            receipts.reduce(delta);
        }
        let (lists, unread) = (inner.channel_lists(), inner.unread());
        if !lists.is_empty() || unread.is_some() {
            let open = (lists.as_slice(), unread.as_ref());
            stale.channels = reduce_channels(open, &self.0.me, delta, &ops, &inner.outbox);
        }
        inner.reduce_objects(delta, &ops, &self.0.me, &mut stale);
        inner.reduce_threads(&self.0.me, delta, &ops, &mut stale);
        stale.pins = inner.reduce_pins(delta, &ops);
        if let Some(drafts) = inner.drafts() {
            drafts.reduce(delta, &ops, &inner.outbox);
        }
        if inner.users.reduce(delta) {
            self.0.users.update(|changes| *changes += 1);
        }
        inner.settle_objects(&self.0.me);
        stale
    }

    /// Opens the list of a query of channels, with nothing loaded yet, or returns the one that is open already.
    #[must_use = "a list that nobody holds is forgotten"]
    pub fn open_channels(&self, query: &Query) -> ChannelList {
        let mut inner = lock(&self.0.inner);
        let open = inner.channel_lists().into_iter().find(|list| list.answers(query));
        open.unwrap_or_else(|| {
            let list = ChannelList::new(self.0.me.clone(), query.clone(), None);
            inner.channels.push(Arc::downgrade(&list.0));
            list
        })
    }

    /// Returns the open lists of channels.
    #[must_use]
    pub fn channel_lists(&self) -> Vec<ChannelList> {
        lock(&self.0.inner).channel_lists()
    }

    /// Returns whether an open list cannot do without the members of channels ([`ChannelRow::members`]).
    #[must_use]
    pub fn asks_for_members(&self) -> bool {
        self.channel_lists().iter().any(ChannelList::asks_for_members)
    }

    /// Adds the next rows in the store's order, read from [`ChannelList::next_page`].
    ///
    /// Returns the channels with something in the outbox whose rows the list does not hold, to be read for
    /// [`State::put_channel`].
    #[must_use = "what is not read is not shown"]
    pub fn extend_channels(
        &self,
        list: &ChannelList,
        rows: impl IntoIterator<Item = impl Into<ChannelRow>>,
        has_more: bool,
    ) -> Vec<ChannelId> {
        let mut inner = lock(&self.0.inner);
        let rows = rows.into_iter().map(Into::into).collect();
        list.extend(rows, has_more, &inner.outbox);
        inner.settle_objects(&self.0.me);
        let missing = inner.outbox.channels().filter(|cid| !list.holds(cid));
        missing.cloned().collect()
    }

    /// Opens the totals of what is unread, with the store's row of [every channel](Query::every_channel). Those that are open
    /// already are counted again.
    #[must_use = "what nobody holds is forgotten"]
    pub fn open_unread(&self, rows: &[ChannelSummary]) -> Unread {
        let mut inner = lock(&self.0.inner);
        if let Some(open) = inner.unread() {
            open.replace(rows, &inner.outbox, &self.0.me);
            inner.consents.channels(open.take_moved());
            inner.settle_common(&self.0.me);
            return open;
        }
        let unread = Unread::new(inner.now);
        unread.replace(rows, &inner.outbox, &self.0.me);
        // That is how it is, and nothing that changed.
        drop(unread.take_moved());
        inner.unread = Arc::downgrade(&unread.0);
        unread
    }

    /// Says what time it is, for what ends by itself. Returns when something open ends next.
    pub fn set_now(&self, now: Timestamp) -> Moment {
        let mut inner = lock(&self.0.inner);
        inner.now = now;
        let contact = inner.account.set_now(now);
        inner.consents.because(ChangedBy::Time);
        let people = inner.settle_people(&self.0.typing);
        if people {
            inner.settle_timelines();
        }
        let mute = inner.unread().and_then(|unread| unread.set_now(now));
        let mut ends: Vec<_> = mute.into_iter().chain(contact).collect();
        for pins in inner.all_pins() {
            ends.extend(pins.set_now(now, &inner.outbox));
        }
        // No object of a channel or a thread depends on the time.
        inner.settle_common(&self.0.me);
        Moment {
            next: ends.into_iter().min(),
            people,
        }
    }

    /// Returns the totals of what is unread, if they are open.
    #[must_use]
    pub fn unread(&self) -> Option<Unread> {
        lock(&self.0.inner).unread()
    }

    /// Puts a channel's row that was read again.
    pub fn put_channel(&self, row: impl Into<ChannelRow>) {
        let row = Arc::new(row.into());
        let mut inner = lock(&self.0.inner);
        if let Some(unread) = inner.unread() {
            unread.put(std::slice::from_ref(&row.summary), &inner.outbox, &self.0.me);
            inner.consents.channels(unread.take_moved());
        }
        for list in inner.channel_lists() {
            list.put(Arc::clone(&row), &inner.outbox);
        }
        inner.put_row(&row.summary.cid, Some(&row.summary), &self.0.me);
    }

    /// Takes note that the store has no row of a channel that was to be read again: what waits in the outbox is all that
    /// there is to show of it.
    pub fn put_no_channel(&self, cid: &ChannelId) {
        let mut inner = lock(&self.0.inner);
        for list in inner.channel_lists() {
            list.touch(std::slice::from_ref(cid), &inner.outbox);
        }
        inner.put_row(cid, None, &self.0.me);
    }

    /// Returns the outbox, by position.
    #[must_use]
    pub fn outbox(&self) -> Items<OutboxItem> {
        lock(&self.0.inner).outbox.items()
    }

    /// Returns the outbox, and what changes in it from now on. The stream ends with the state.
    #[must_use]
    pub fn subscribe_outbox(&self) -> (Items<OutboxItem>, Diffs<OutboxItem>) {
        lock(&self.0.inner).outbox.subscribe()
    }

    /// Returns how much waits in the outbox.
    #[must_use]
    pub fn outbox_summary(&self) -> OutboxSummary {
        self.0.outbox.get()
    }

    /// Returns a reader of [`State::outbox_summary`].
    pub fn subscribe_outbox_summary(&self) -> Subscriber<OutboxSummary> {
        self.0.outbox.subscribe()
    }

    /// Sets how fresh the open lists are: when everything was on the device, whether it is now and is kept so, and how far
    /// each channel is.
    pub fn set_freshness(&self, as_of: Option<Timestamp>, live: bool, reach: impl Fn(&ChannelId) -> Reach) {
        let mut inner = lock(&self.0.inner);
        for timeline in inner.timelines.all() {
            timeline.set_freshness(as_of, reach(timeline.cid()));
        }
        for list in inner.channel_lists() {
            list.set_freshness(Freshness {
                as_of,
                source: if live { Source::Server } else { Source::Disk },
                complete: as_of.is_some(),
            });
        }
        inner.objects.set_reach(as_of, reach);
        inner.settle_objects(&self.0.me);
    }

    /// Sets how the account is connected.
    pub fn set_status(&self, status: SyncState) {
        let mut inner = lock(&self.0.inner);
        if inner.objects.set_status(&status) {
            inner.settle_objects(&self.0.me);
        }
        drop(inner);
        self.0.status.set_if_not_eq(status);
    }

    /// Returns how the account is connected.
    #[must_use]
    pub fn status(&self) -> SyncState {
        self.0.status.get()
    }

    /// Returns a reader of [`State::status`]. It sees the latest state, not each one on the way.
    pub fn subscribe_status(&self) -> Subscriber<SyncState> {
        self.0.status.subscribe()
    }

    /// Puts profiles that were read from the store.
    pub fn put_users(&self, users: Vec<User>) {
        let mut inner = lock(&self.0.inner);
        let mut changed = false;
        for user in users {
            changed |= inner.users.put(user);
        }
        if changed {
            self.0.users.update(|changes| *changes += 1);
            inner.settle_objects(&self.0.me);
        }
    }

    /// Returns a profile, if it was loaded or has come in, with a waiting change of the own one laid over it.
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<Arc<User>> {
        let inner = lock(&self.0.inner);
        inner.users.get(id, &inner.outbox)
    }

    pub(crate) fn typing(&self) -> &Typing {
        &self.0.typing
    }

    /// Returns a reader of a number that grows whenever a profile changes: a reason to ask for names again.
    pub fn subscribe_users(&self) -> Subscriber<u64> {
        self.0.users.subscribe()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("me", &self.0.me)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Returns the open lists of channels, and forgets those that nobody holds any more.
    fn channel_lists(&mut self) -> Vec<ChannelList> {
        self.channels.retain(|list| list.strong_count() > 0);
        self.channels
            .iter()
            .filter_map(Weak::upgrade)
            .map(ChannelList)
            .collect()
    }

    fn unread(&self) -> Option<Unread> {
        self.unread.upgrade().map(Unread)
    }
}

/// Returns the channels whose rows have to be read again. Those of which only the outbox changed, and not what is unread,
/// are computed at once; the others not before their row was read, so that what was accepted does not vanish in between.
fn reduce_channels(
    (lists, unread): (&[ChannelList], Option<&Unread>),
    me: &UserId,
    delta: &Delta,
    ops: &[Arc<OutboxItem>],
    outbox: &Outbox,
) -> Vec<ChannelId> {
    let mut stale = BTreeSet::new();
    for change in &delta.changes {
        match change {
            Change::Row(
                Row::Reaction(_) | Row::User(_) | Row::Draft(_) | Row::Account(_) | Row::Delivered(_),
            ) => {}
            Change::Row(Row::Read(read)) if read.user != *me || read.thread.is_some() => {}
            Change::Row(row) => stale.extend(row.cid().cloned()),
            Change::Rebase(StreamId::Channel(cid))
            | Change::Unfollow(StreamId::Channel(cid))
            | Change::Ranges(cid, _) => {
                stale.insert(cid.clone());
            }
            // What is new there and not here may be unread.
            Change::Head(StreamId::Channel(cid), head) => {
                let shown = lists.iter().filter_map(|list| list.head_seq(cid));
                let counted = unread.map(|unread| unread.head_seq(cid).unwrap_or(0));
                if shown.chain(counted).any(|known| known < head.seq) {
                    stale.insert(cid.clone());
                }
            }
            Change::Rebase(StreamId::User(user)) if user == me => {
                stale.extend(lists.iter().flat_map(ChannelList::held));
            }
            _ => {}
        }
    }
    let decides = |op: &Op| match op {
        Op::SendMessage { cid, .. } => unread.is_some_and(|unread| unread.is_undecided(cid)),
        _ => false,
    };
    let recounted = ops
        .iter()
        .map(|item| &item.op)
        .filter(|op| changes_unread(op, me) || decides(op));
    stale.extend(recounted.filter_map(Op::cid).cloned());
    let touched: BTreeSet<_> = ops.iter().filter_map(|item| item.op.cid()).collect();
    let touched: Vec<_> = touched
        .into_iter()
        .filter(|cid| !stale.contains(*cid))
        .cloned()
        .collect();
    for list in lists {
        stale.extend(touched.iter().filter(|cid| !list.holds(cid)).cloned());
        list.touch(&touched, outbox);
    }
    stale.into_iter().collect()
}

/// Returns whether a waiting operation, or one that waits no more, makes another number of messages unread.
fn changes_unread(op: &Op, me: &UserId) -> bool {
    match op {
        Op::MarkRead { thread: None, .. } | Op::UpdateMembership { .. } | Op::AnswerInvite { .. } => true,
        Op::RemoveMembers { users, .. } => users.contains(me),
        _ => false,
    }
}

/// Locks what no panic leaves half done: a poisoned lock is as good as any other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
