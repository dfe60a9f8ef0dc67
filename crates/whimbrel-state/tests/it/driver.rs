//! What a driver does with a delta, and a reader that checks every batch of diffs.

use crate::disk::{Disk, user};
use futures_util::{FutureExt, StreamExt};
use whimbrel_model::{
    Change, ChannelId, ConsentState, Delta, HistoryFrom, MessageId, MessagePage, MessageQuery, MessageScope,
    Mute, Op, OpId, OutboxItem, Timestamp,
};
use whimbrel_query::Query;
use whimbrel_state::{
    ChannelItem, ChannelList, Diffs, Drafts, Items, State, StateConfig, ThreadList, Timeline, TimelineItem,
    Unread, UnreadTotals, VectorDiff,
};

pub(crate) struct Driver {
    pub(crate) disk: Disk,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self {
            disk: Disk::default(),
            state: State::new(user("ada"), Vec::new()),
            now: Timestamp::default(),
        }
    }

    /// Creates one whose timelines keep so many rows.
    pub(crate) fn with_window(rows: usize) -> Self {
        let mut config = StateConfig::default();
        config.windows.set_default(rows);
        Self {
            disk: Disk::default(),
            state: State::with_config(user("ada"), Vec::new(), config),
            now: Timestamp::default(),
        }
    }

    /// Commits and reduces a delta, and reads again what it makes stale. `observe` runs after each step.
    pub(crate) fn commit_observed(&mut self, delta: impl Into<Delta>, mut observe: impl FnMut(&Disk)) {
        let delta = delta.into();
        self.disk.apply(&delta);
        let stale = self.state.reduce(&delta);
        self.disk.people = self.state.people();
        observe(&self.disk);
        for query in &stale.messages {
            self.state.put_messages(query, self.disk.messages(query));
            observe(&self.disk);
        }
        for cid in &stale.channels {
            self.put_channel(cid);
            observe(&self.disk);
        }
        if stale.all_threads {
            let shown = self.state.threads().map_or(0, |list| list.loaded());
            self.read_all_threads(shown.max(2));
        } else {
            stale.threads.iter().for_each(|id| self.put_thread(*id));
        }
        observe(&self.disk);
        for id in &stale.open_threads {
            let thread = self.disk.thread(self.state.me(), *id);
            self.state.put_thread(*id, thread);
            observe(&self.disk);
        }
        for id in stale.pins.iter().filter_map(|id| self.disk.message(*id)) {
            self.state.put_pin(id);
            observe(&self.disk);
        }
        if stale.people {
            self.show_people_again();
            observe(&self.disk);
        }
        self.read_receipts();
        observe(&self.disk);
    }

    pub(crate) fn commit(&mut self, delta: impl Into<Delta>) {
        self.commit_observed(delta, |_| {});
    }

    pub(crate) fn queue(&mut self, item: OutboxItem) {
        self.commit(Change::Outbox(item));
    }

    pub(crate) fn remove(&mut self, id: OpId) {
        self.commit(Change::OutboxRemoved(id));
    }

    pub(crate) fn open(&self, cid: &ChannelId, limit: usize) -> Timeline {
        self.open_scope(cid, MessageScope::Channel, limit)
    }

    pub(crate) fn open_scope(&self, cid: &ChannelId, scope: MessageScope, limit: usize) -> Timeline {
        let query = MessageQuery {
            cid: cid.clone(),
            scope,
            from: HistoryFrom::Newest,
            limit,
        };
        let page = self.disk.messages(&query);
        let timeline = self.state.open_timeline(cid.clone(), scope, page);
        self.read_receipts();
        timeline
    }

    /// Reads who is in a channel and how far they are, wherever that is wanted.
    pub(crate) fn read_receipts(&self) {
        read_receipts(&self.state, &self.disk);
    }

    pub(crate) fn extend(&self, timeline: &Timeline, limit: usize) {
        let page = self.disk.messages(&timeline.older(limit));
        self.state.extend_older(timeline, page);
        self.read_receipts();
    }

    pub(crate) fn extend_newer(&self, timeline: &Timeline, limit: usize) {
        let page = self.disk.messages(&timeline.newer(limit));
        self.state.extend_newer(timeline, page);
        self.read_receipts();
    }

    /// Opens another timeline around a sequence; the newest if nothing is there.
    pub(crate) fn open_at(&self, cid: &ChannelId, seq: u64, limit: usize) -> Timeline {
        let page = self.page_at(cid, MessageScope::Channel, seq, limit);
        let timeline = self
            .state
            .open_timeline_at(cid.clone(), MessageScope::Channel, page);
        self.read_receipts();
        timeline
    }

    pub(crate) fn move_to(&self, timeline: &Timeline, seq: u64, limit: usize) {
        let page = self.page_at(timeline.cid(), timeline.scope(), seq, limit);
        self.state.move_timeline(timeline, page);
        self.read_receipts();
    }

    fn page_at(&self, cid: &ChannelId, scope: MessageScope, seq: u64, limit: usize) -> MessagePage {
        let places = [HistoryFrom::Around(seq), HistoryFrom::Newest];
        let pages = places.map(|from| {
            self.disk.messages(&MessageQuery {
                cid: cid.clone(),
                scope,
                from,
                limit,
            })
        });
        let [page, newest] = pages;
        if page.messages.is_empty() { newest } else { page }
    }

    pub(crate) fn open_channels(&self, limit: usize) -> ChannelList {
        self.open_query(&Query::channel_list(), limit)
    }

    pub(crate) fn open_query(&self, query: &Query, limit: usize) -> ChannelList {
        let list = self.state.open_channels(query);
        self.extend_channels(&list, limit);
        list
    }

    pub(crate) fn open_unread(&self) -> Unread {
        let unread = self.count_unread();
        self.read_all_threads(self.state.threads().map_or(0, |list| list.loaded()));
        unread
    }

    pub(crate) fn open_threads(&self, limit: usize) -> ThreadList {
        let list = self.state.open_threads();
        self.extend_threads(&list, limit);
        self.threads_that_wait()
            .into_iter()
            .for_each(|id| self.put_thread(id));
        list
    }

    pub(crate) fn extend_threads(&self, list: &ThreadList, limit: usize) {
        let me = self.state.me();
        let (threads, has_more) = self.disk.threads(me, list.next_page(), limit);
        self.state.extend_threads(list, threads, has_more);
    }

    pub(crate) fn open_drafts(&self) -> Drafts {
        self.state.open_drafts(self.disk.drafts())
    }

    fn count_unread(&self) -> Unread {
        let query = Query::every_channel();
        let (rows, _) = self.disk.channels(self.state.me(), &query, None, usize::MAX);
        let rows: Vec<_> = rows.into_iter().map(|row| row.summary).collect();
        self.state.open_unread(&rows)
    }

    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        let moment = self.state.set_now(now);
        self.disk.people = self.state.people();
        if moment.people {
            self.show_people_again();
        }
    }

    /// Reads what depends on others again.
    fn show_people_again(&self) {
        let (me, state) = (self.state.me(), &self.state);
        for list in state.channel_lists() {
            for item in list.items() {
                self.put_channel(&item.cid);
            }
            let limit = list.loaded() + 2;
            for row in self.disk.channels(me, list.query(), None, limit).0 {
                state.put_channel(row);
            }
        }
        if state.unread().is_some() {
            let _open = self.count_unread();
        }
        let shown = state.threads().map_or(0, |list| list.loaded());
        self.read_all_threads(shown.max(2));
        for cid in state.open_channel_states() {
            self.put_channel(&cid);
        }
        for (_, parent) in state.open_thread_states() {
            self.put_thread(parent);
        }
    }

    fn put_channel(&self, cid: &ChannelId) {
        match self.disk.channel_row(self.state.me(), cid) {
            Some(row) => self.state.put_channel(row),
            None => self.state.put_no_channel(cid),
        }
    }

    fn read_all_threads(&self, shown: usize) {
        let (threads, _) = self.disk.threads(self.state.me(), None, usize::MAX);
        self.state.put_threads(threads, shown);
        self.threads_that_wait()
            .into_iter()
            .for_each(|id| self.put_thread(id));
    }

    fn put_thread(&self, id: MessageId) {
        self.state.put_thread(id, self.disk.thread(self.state.me(), id));
    }

    /// The threads that own replies wait for.
    fn threads_that_wait(&self) -> Vec<MessageId> {
        let replies = self.disk.outbox.values().filter_map(|item| match &item.op {
            Op::SendMessage { parent, .. } => *parent,
            _ => None,
        });
        replies.collect()
    }

    /// The sums over the whole list of a state that is made anew.
    pub(crate) fn unread_anew(&self) -> UnreadTotals {
        let (fresh, query) = (self.fresh(), Query::every_channel());
        let (rows, has_more) = self.disk.channels(self.state.me(), &query, None, usize::MAX);
        let list = fresh.open_channels(&query);
        let _ = fresh.extend_channels(&list, rows, has_more);
        let (threads, _) = self.disk.threads(self.state.me(), None, usize::MAX);
        let mut totals = UnreadTotals::default();
        for item in list.items() {
            let requested = item.consent == ConsentState::Unknown || item.invite.is_some();
            if item.consent == ConsentState::Denied {
                continue;
            }
            totals.requests += u64::from(requested);
            if item.invite.is_some() {
                continue;
            }
            let is_muted = |mute: Mute| mute.until.is_none_or(|until| until > self.now);
            if item.muted.is_some_and(is_muted) {
                totals.muted += item.unread;
                continue;
            }
            totals.messages += item.unread;
            totals.requested += if requested { item.unread } else { 0 };
            totals.mentions += item.mentions;
            totals.channels += u64::from(item.unread > 0);
            totals.unknown += item.unread_unknown;
            let here = threads.iter().filter(|thread| thread.parent.cid == item.cid);
            totals.threads += here.filter(|thread| thread.unread > 0).count() as u64;
        }
        totals
    }

    pub(crate) fn extend_channels(&self, list: &ChannelList, limit: usize) {
        let me = self.state.me();
        let (rows, has_more) = self
            .disk
            .channels(me, list.query(), list.next_page().as_ref(), limit);
        for cid in self.state.extend_channels(list, rows, has_more) {
            if let Some(row) = self.disk.channel_row(me, &cid) {
                self.state.put_channel(row);
            }
        }
    }

    /// A state made anew from the same disk.
    pub(crate) fn fresh(&self) -> State {
        let state = State::new(user("ada"), self.disk.outbox.values().cloned().collect());
        let _nothing_is_open = state.set_now(self.now);
        let _nothing_is_open = state.put_account(self.disk.account_rows());
        state
    }

    /// Does something with a driver that starts anew on the same disk.
    pub(crate) fn anew<T>(&mut self, act: impl FnOnce(&Self) -> T) -> T {
        let mut anew = Self {
            state: self.fresh(),
            disk: std::mem::take(&mut self.disk),
            now: self.now,
        };
        let done = act(&anew);
        self.disk = std::mem::take(&mut anew.disk);
        done
    }
}

pub(crate) fn read_receipts(state: &State, disk: &Disk) {
    for (cid, scope) in state.wanted_receipts() {
        let thread = match scope {
            MessageScope::Channel => None,
            MessageScope::Thread(parent) => Some(parent),
        };
        state.put_receipts(&cid, scope, &disk.receipts(&cid, thread));
    }
    for receipts in state.wanted_message_receipts() {
        let message = disk.message(receipts.message());
        let thread = message.and_then(|message| message.parent);
        let rows = disk.receipts(receipts.cid(), thread);
        state.put_message_receipts(&receipts, message, &rows);
    }
}

/// A reader that rebuilds a list from its diffs.
pub(crate) struct Reader<T> {
    pub(crate) list: Items<T>,
    diffs: Diffs<T>,
}

impl<T: Send + Sync + 'static> Reader<T> {
    pub(crate) fn new((list, diffs): (Items<T>, Diffs<T>)) -> Self {
        Self { list, diffs }
    }

    /// Reads the batches that are there, and applies them.
    pub(crate) fn read(&mut self) -> Vec<Vec<VectorDiff<std::sync::Arc<T>>>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.diffs.next().now_or_never() {
            let batch = batch.expect("the list is alive");
            for diff in batch.clone() {
                diff.apply(&mut self.list);
            }
            batches.push(batch);
        }
        batches
    }
}

pub(crate) fn texts(items: &Items<TimelineItem>) -> Vec<&str> {
    items
        .iter()
        .map(|item| item.view.message.body.text.as_str())
        .collect()
}

pub(crate) fn names(items: &Items<ChannelItem>) -> Vec<&str> {
    items.iter().map(|item| item.cid.local_id()).collect()
}
