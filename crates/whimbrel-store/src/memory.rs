//! The store in memory: the handle here, the data and what a delta does to it in [`data`], the reads in `read`.

mod data;
mod read;
mod receipts;
mod search;
mod threads;

use crate::{AccountReader, Store, StoreError, StoreReader};
use async_trait::async_trait;
use data::Data;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use uuid::Uuid;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Delivered, Delta, Draft, FollowedThread, Loaded, Member, Message,
    MessageId, MessagePage, MessageQuery, People, Read, ThreadPlace, User, UserId,
};
use whimbrel_query::{PageCursor, Query, SearchPage, SearchQuery};

/// A store in memory: for tests, and for apps that keep nothing on disk.
///
/// A delta is applied under one lock that no `await` crosses, so every call is done when its future is first polled.
/// The data lives as long as any handle made with [`reopen`](Self::reopen) does.
#[derive(Debug, Default)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
    closed: AtomicBool,
    suspended: AtomicBool,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a new, open handle on the same data, closed or not: what a restarted app would find.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self {
            data: Arc::clone(&self.data),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self, delta: &Delta) -> Result<(), StoreError> {
        self.data()?.apply(delta);
        Ok(())
    }

    fn data(&self) -> Result<MutexGuard<'_, Data>, StoreError> {
        self.check_open()?;
        if self.suspended.load(Ordering::Acquire) {
            return Err(StoreError::Suspended);
        }
        Ok(self.lock())
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        // Nothing that runs under the lock panics half-way through a delta: it only moves values into maps.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        Ok(self.data()?.load())
    }

    async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        self.put(delta)
    }

    async fn suspend(&self) -> Result<(), StoreError> {
        self.check_open()?;
        self.suspended.store(true, Ordering::Release);
        Ok(())
    }

    async fn resume(&self) -> Result<(), StoreError> {
        self.check_open()?;
        self.suspended.store(false, Ordering::Release);
        Ok(())
    }

    async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.check_open()?;
        *self.lock() = Data::default();
        self.close().await;
        Ok(Vec::new())
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[async_trait]
impl AccountReader for MemoryStore {
    async fn drafts(&self) -> Result<Vec<Draft>, StoreError> {
        Ok(self.data()?.drafts())
    }

    async fn transfer_part(&self, request: Uuid, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.data()?.transfer_part(request, offset))
    }

    async fn account_rows(&self) -> Result<Vec<AccountRow>, StoreError> {
        Ok(self.data()?.account_rows())
    }
}

#[async_trait]
impl StoreReader for MemoryStore {
    async fn channels(
        &self,
        query: &Query,
        after: Option<&PageCursor>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<ChannelSummary>, StoreError> {
        Ok(self.data()?.channels(query, after, limit, people)?)
    }

    async fn channel(&self, cid: &ChannelId, people: &People) -> Result<Option<ChannelSummary>, StoreError> {
        Ok(self.data()?.channel(cid, people))
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<Member>, StoreError> {
        Ok(self.data()?.members(cid))
    }

    async fn reads(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<Vec<Read>, StoreError> {
        Ok(self.data()?.reads(cid, thread))
    }

    async fn delivered(&self, cid: &ChannelId) -> Result<Vec<Delivered>, StoreError> {
        Ok(self.data()?.delivered(cid))
    }

    async fn threads(
        &self,
        after: Option<ThreadPlace>,
        limit: usize,
        people: &People,
    ) -> Result<Vec<FollowedThread>, StoreError> {
        Ok(self.data()?.threads(after, limit, people))
    }

    async fn thread(&self, parent: MessageId, people: &People) -> Result<Option<FollowedThread>, StoreError> {
        Ok(self.data()?.thread(parent, people))
    }

    async fn pinned(&self, cid: &ChannelId) -> Result<Vec<Message>, StoreError> {
        Ok(self.data()?.pinned(cid))
    }

    async fn messages(&self, query: &MessageQuery) -> Result<MessagePage, StoreError> {
        Ok(self.data()?.messages(query))
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.data()?.message(id))
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        Ok(self.data()?.search(query)?)
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<User>, StoreError> {
        Ok(self.data()?.users(users))
    }
}
