//! A store that fails, waits and tells on command.

use async_trait::async_trait;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{Semaphore, watch};
use whimbrel_model::{
    Change, ChannelId, ChannelSummary, Delta, Loaded, Member, Message, MessageId, MessagePage, MessageQuery,
    Read, StreamId, User, UserId,
};
use whimbrel_store::{MemoryStore, PageCursor, Query, Store, StoreError};

#[derive(Debug)]
pub(crate) struct Fickle {
    inner: MemoryStore,
    fail_applies: AtomicUsize,
    lost_outcomes: AtomicUsize,
    fail_loads: AtomicUsize,
    panics: AtomicUsize,
    /// One permit a write, unless there are plenty.
    gate: Semaphore,
    waiting: watch::Sender<usize>,
    closed: watch::Sender<bool>,
    /// The channels whose cursors were written, in order.
    followed: Mutex<Vec<ChannelId>>,
}

/// More than any test writes.
const PLENTY: usize = 1_000_000;

impl Fickle {
    pub(crate) fn new(inner: &MemoryStore) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.reopen(),
            fail_applies: AtomicUsize::new(0),
            lost_outcomes: AtomicUsize::new(0),
            fail_loads: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            gate: Semaphore::new(PLENTY),
            waiting: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            followed: Mutex::default(),
        })
    }

    /// Makes so many of the next writes fail.
    pub(crate) fn fail_applies(&self, count: usize) {
        self.fail_applies.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next writes happen and be reported as failed: the commit itself failed to say so.
    pub(crate) fn lose_outcomes(&self, count: usize) {
        self.lost_outcomes.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next loads fail.
    pub(crate) fn fail_loads(&self, count: usize) {
        self.fail_loads.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next writes happen and then panic, as a mistake in the program would.
    pub(crate) fn panic_after(&self, count: usize) {
        self.panics.store(count, Ordering::SeqCst);
    }

    /// Lets no write through until [`Fickle::unblock`].
    pub(crate) fn block(&self) {
        self.gate.forget_permits(PLENTY);
    }

    pub(crate) fn unblock(&self) {
        self.gate.add_permits(PLENTY);
    }

    /// Waits until a write is held back.
    pub(crate) async fn blocked(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting > 0).await.unwrap();
    }

    /// Returns the channels whose cursors were written since the last call, in order.
    pub(crate) fn followed(&self) -> Vec<ChannelId> {
        std::mem::take(&mut self.followed.lock().unwrap())
    }

    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        closed.wait_for(|closed| *closed).await.unwrap();
    }
}

fn fails(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl Store for Fickle {
    async fn load(&self) -> Result<Loaded, StoreError> {
        if fails(&self.fail_loads) {
            return Err(StoreError::Engine("it was told to fail".to_owned()));
        }
        self.inner.load().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.gate.acquire().await.unwrap().forget();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        if fails(&self.fail_applies) {
            return Err(StoreError::DiskFull);
        }
        self.inner.apply(delta).await?;
        let cursors = delta.changes.iter().filter_map(|change| match change {
            Change::Cursor(StreamId::Channel(cid), _) => Some(cid.clone()),
            _ => None,
        });
        self.followed.lock().unwrap().extend(cursors);
        assert!(!fails(&self.panics), "it was told to panic");
        if fails(&self.lost_outcomes) {
            return Err(StoreError::Engine(
                "nobody knows whether it was written".to_owned(),
            ));
        }
        Ok(())
    }

    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        self.inner.channels(query, after, limit).await
    }

    async fn channel(&self, cid: &ChannelId) -> Result<Option<ChannelSummary>, StoreError> {
        self.inner.channel(cid).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.inner.members(cid).await
    }

    async fn reads(&self, cid: &ChannelId) -> Result<Vec<Read>, StoreError> {
        self.inner.reads(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.inner.messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.inner.message(id).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.inner.users(users).await
    }

    async fn close(&self) {
        self.inner.close().await;
        self.closed.send_replace(true);
    }
}
