//! A store that fails, waits and tells on command.
//!
//! It stands before any other store, and does what that one does until it is told otherwise.
//!
//! ```
//! use whimbrel_store::MemoryStore;
//! use whimbrel_testkit::{server::TestServer, store::FailingStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::new();
//! let store = FailingStore::new(MemoryStore::new());
//! let ada = server.client("ada").store(store.clone()).open().await?;
//! let channel = ada.channel("messaging:general")?;
//! store.fail_writes(1);
//! let error = channel.send("on a full disk").await.unwrap_err();
//! assert_eq!(error.code(), "store_disk_full");
//! assert!(ada.outbox().is_empty());
//! # Ok(())
//! # }
//! ```

use async_trait::async_trait;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member, Message,
    MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_store::{
    AccountReader, PageCursor, Query, Recovery, SearchPage, SearchQuery, Store, StoreError, StoreReader,
};

/// Deltas that a listener to [`FailingStore::written`] may fall behind before it misses some.
const WRITTEN: usize = 1024;

/// A store before another one, which fails as it is told. Reads pass through, whatever was told.
#[derive(Debug)]
pub struct FailingStore {
    inner: Arc<dyn Store>,
    fail_writes: AtomicUsize,
    lost_outcomes: AtomicUsize,
    fail_loads: AtomicUsize,
    panics: AtomicUsize,
    blocked: watch::Sender<bool>,
    loads_blocked: watch::Sender<bool>,
    /// Whether a write is held back.
    waits: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    written: broadcast::Sender<Delta>,
}

impl FailingStore {
    /// Stands before `inner`, and fails at nothing yet.
    #[must_use]
    pub fn new(inner: impl Store) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(inner),
            fail_writes: AtomicUsize::new(0),
            lost_outcomes: AtomicUsize::new(0),
            fail_loads: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            blocked: watch::Sender::new(false),
            loads_blocked: watch::Sender::new(false),
            waits: watch::Sender::new(false),
            closed: watch::Sender::new(false),
            written: broadcast::Sender::new(WRITTEN),
        })
    }

    /// Makes so many of the next writes fail with [`StoreError::DiskFull`]: they do not happen.
    pub fn fail_writes(&self, count: usize) {
        self.fail_writes.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next writes happen and be reported as failed: the commit itself failed to say so.
    pub fn lose_outcomes(&self, count: usize) {
        self.lost_outcomes.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next loads fail.
    pub fn fail_loads(&self, count: usize) {
        self.fail_loads.store(count, Ordering::SeqCst);
    }

    /// Makes so many of the next writes happen and then panic, as a mistake in the program would.
    pub fn panic_after_writes(&self, count: usize) {
        self.panics.store(count, Ordering::SeqCst);
    }

    /// Lets no write through until [`FailingStore::unblock`].
    pub fn block(&self) {
        self.blocked.send_replace(true);
    }

    /// Lets writes through again, those that wait first.
    pub fn unblock(&self) {
        self.blocked.send_replace(false);
    }

    /// Lets no load through until [`FailingStore::unblock_loads`], but for what the device has of its own.
    pub fn block_loads(&self) {
        self.loads_blocked.send_replace(true);
    }

    /// Lets loads through again.
    pub fn unblock_loads(&self) {
        self.loads_blocked.send_replace(false);
    }

    /// Waits until a write is held back by [`FailingStore::block`].
    pub async fn holds_a_write(&self) {
        self.until(&self.waits, true).await;
    }

    /// Waits until the store is closed.
    pub async fn closed(&self) {
        self.until(&self.closed, true).await;
    }

    /// Returns what is written from now on, in order. A listener that falls 1,024 deltas behind misses the oldest.
    #[must_use]
    pub fn written(&self) -> broadcast::Receiver<Delta> {
        self.written.subscribe()
    }

    async fn until(&self, state: &watch::Sender<bool>, wanted: bool) {
        // The sender is here, so there is always one.
        let _ = state.subscribe().wait_for(|is| *is == wanted).await;
    }
}

/// Takes one of what is left.
fn one_of(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl Store for FailingStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.until(&self.loads_blocked, false).await;
        if one_of(&self.fail_loads) {
            return Err(StoreError::Engine("it was told to fail".to_owned()));
        }
        self.inner.load().await
    }

    async fn load_own(&self) -> Result<Loaded, StoreError> {
        self.inner.load_own().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        if *self.blocked.borrow() {
            self.waits.send_replace(true);
            self.until(&self.blocked, false).await;
            self.waits.send_replace(false);
        }
        if one_of(&self.fail_writes) {
            return Err(StoreError::DiskFull);
        }
        self.inner.apply(delta).await?;
        // Nobody has to listen.
        let _ = self.written.send(delta.clone());
        assert!(!one_of(&self.panics), "it was told to panic");
        if one_of(&self.lost_outcomes) {
            return Err(StoreError::Engine(
                "nobody knows whether it was written".to_owned(),
            ));
        }
        Ok(())
    }

    fn recovery(&self) -> Option<Recovery> {
        self.inner.recovery()
    }

    async fn suspend(&self) -> Result<(), StoreError> {
        self.inner.suspend().await
    }

    async fn resume(&self) -> Result<(), StoreError> {
        self.inner.resume().await
    }

    async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        let deleted = self.inner.delete().await?;
        self.closed.send_replace(true);
        Ok(deleted)
    }

    async fn close(&self) {
        self.inner.close().await;
        self.closed.send_replace(true);
    }
}

#[async_trait]
impl AccountReader for FailingStore {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.inner.drafts().await
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.inner.account_rows().await
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.transfer_part(request, offset).await
    }
}

#[async_trait]
impl StoreReader for FailingStore {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        self.inner.channels(query, after, limit, people).await
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        self.inner.channel(cid, people).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        self.inner.members(cid).await
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        self.inner.reads(cid, thread).await
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        self.inner.delivered(cid).await
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        self.inner.threads(after, limit, people).await
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        self.inner.thread(parent, people).await
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        self.inner.pinned(cid).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        self.inner.messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.inner.message(id).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.inner.search(query).await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.inner.users(users).await
    }
}
