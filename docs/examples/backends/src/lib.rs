//! Backends of one's own, outside of Whimbrel's workspace: a store and a transport that count what goes through them.
//!
//! They stand before others, so that they are short; yours does the work itself. What matters is in `tests/it.rs`.

use async_trait::async_trait;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member, Message,
    MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_store::{
    AccountReader, PageCursor, Query, SearchPage, SearchQuery, Store, StoreError, StoreReader,
};
use whimbrel_transport::{Connection, Connector, TransportError};

/// Counts the commits of the store behind it.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn Store>,
    commits: AtomicU64,
}

impl CountingStore {
    /// Stands before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let commits = AtomicU64::new(0);
        Self { inner, commits }
    }

    /// Returns how many deltas were committed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.inner.load().await
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        self.inner.apply(delta).await?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl AccountReader for CountingStore {
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
impl StoreReader for CountingStore {
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

/// Counts the connections that the transport behind it has made.
#[derive(Debug)]
pub struct CountingConnector {
    inner: Arc<dyn Connector>,
    connections: AtomicU64,
}

impl CountingConnector {
    /// Stands before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Connector>) -> Self {
        let connections = AtomicU64::new(0);
        Self { inner, connections }
    }

    /// Returns how many connections were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Connector for CountingConnector {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let connection = self.inner.connect().await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }
}
