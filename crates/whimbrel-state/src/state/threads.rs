//! The list of threads, and the drafts.

use super::{Inner, Stale, State, lock};
use crate::{Drafts, ThreadList, threads};
use std::sync::{Arc, Weak};
use whimbrel_model::{Delta, Draft, FollowedThread, MessageId, OutboxItem, UserId};

impl State {
    /// Opens the list of followed threads, with nothing loaded yet, or returns the one that is open already.
    #[must_use = "a list that nobody holds is forgotten"]
    pub fn open_threads(&self) -> ThreadList {
        let mut inner = lock(&self.0.inner);
        inner.thread_list().unwrap_or_else(|| {
            let list = ThreadList::new(self.0.me.clone());
            inner.threads = Arc::downgrade(&list.0);
            list
        })
    }

    /// Returns the list of followed threads, if it is open.
    #[must_use]
    pub fn threads(&self) -> Option<ThreadList> {
        lock(&self.0.inner).thread_list()
    }

    /// Adds the next threads in the store's order, read from [`ThreadList::next_page`].
    pub fn extend_threads(&self, list: &ThreadList, threads: Vec<FollowedThread>, has_more: bool) {
        let inner = lock(&self.0.inner);
        list.extend(threads, has_more, &inner.outbox);
    }

    /// Puts a thread that was read again. Nothing: it is not there.
    pub fn put_thread(&self, id: MessageId, thread: Option<FollowedThread>) {
        let mut inner = lock(&self.0.inner);
        if let Some(unread) = inner.unread() {
            unread.put_thread(id, thread.as_ref());
        }
        inner.objects.put_thread(id, thread.as_ref());
        if let Some(list) = inner.thread_list() {
            list.put(id, thread, &inner.outbox);
        }
        inner.settle_objects(&self.0.me);
    }

    /// Puts all followed threads in the store's order. The open list shows the first `shown` of them, and knows that there are
    /// more.
    pub fn put_threads(&self, mut threads: Vec<FollowedThread>, shown: usize) {
        let mut inner = lock(&self.0.inner);
        if let Some(unread) = inner.unread() {
            unread.replace_threads(&threads);
        }
        if let Some(list) = inner.thread_list() {
            let has_more = threads.len() > shown;
            threads.truncate(shown);
            list.replace(threads, has_more, &inner.outbox);
        }
        inner.settle_objects(&self.0.me);
    }

    /// Opens the drafts with those of the store. Those that are open already are replaced.
    #[must_use = "what nobody holds is forgotten"]
    pub fn open_drafts(&self, drafts: Vec<Draft>) -> Drafts {
        let mut inner = lock(&self.0.inner);
        if let Some(open) = inner.drafts() {
            open.replace(drafts, &inner.outbox);
            return open;
        }
        let list = Drafts::new(self.0.me.clone(), drafts, &inner.outbox);
        inner.drafts = Arc::downgrade(&list.0);
        list
    }

    /// Returns the drafts, if they are open.
    #[must_use]
    pub fn drafts(&self) -> Option<Drafts> {
        lock(&self.0.inner).drafts()
    }
}

impl Inner {
    fn thread_list(&self) -> Option<ThreadList> {
        Weak::upgrade(&self.threads).map(ThreadList)
    }

    pub(super) fn drafts(&self) -> Option<Drafts> {
        Weak::upgrade(&self.drafts).map(Drafts)
    }

    pub(super) fn reduce_threads(
        &self,
        me: &UserId,
        delta: &Delta,
        ops: &[Arc<OutboxItem>],
        stale: &mut Stale,
    ) {
        let list = self.thread_list();
        if list.is_some() || self.unread().is_some() {
            let threads = threads::stale(list.as_ref(), me, delta, (ops, &self.outbox));
            stale.all_threads = threads.all;
            stale.threads = threads.some.into_iter().collect();
        }
    }
}
