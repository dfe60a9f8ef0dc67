//! The hub's storage in memory, with what a mutant makes it forget.

use super::{Mutant, Violation, log::violated};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use whimbrel_hub::{Decide, Keys, MemoryStorage, Storage, StorageError};
use whimbrel_model::{ChannelId, Cursor, Epoch, HistoryFrom, StreamId, Timestamp, UserId};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Page, Question};

/// Runs a future that never waits.
pub(super) fn now_or<T>(future: impl Future<Output = T>) -> Result<T, Violation> {
    match future.now_or_never() {
        Some(value) => Ok(value),
        None => violated("sim", "what is in memory waits for something"),
    }
}

#[derive(Debug)]
pub(super) struct Weak {
    pub(super) inner: MemoryStorage,
    pub(super) mutant: Option<Mutant>,
}

impl Weak {
    fn forget(&self, keys: &Keys) -> Keys {
        let mut keys = keys.clone();
        match self.mutant {
            Some(Mutant::ReadLastWrite) => keys.reads.clear(),
            Some(Mutant::NoDedup) => keys.results.clear(),
            Some(Mutant::ReplyCountStays) => keys.replies.clear(),
            Some(Mutant::ThreadReadBack) => keys.reads.retain(|(_, _, thread)| thread.is_none()),
            _ => {}
        }
        keys
    }
}

#[async_trait]
impl Storage for Weak {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError> {
        self.inner.transact(&self.forget(keys), decide).await
    }

    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        self.inner.heads(user, token, limit).await
    }

    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.inner.page(user, stream, cursor, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        self.inner.history(user, cid, from, limit).await
    }

    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError> {
        self.inner.ask(user, question, now).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.inner.members(cid).await
    }

    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_results(before).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
