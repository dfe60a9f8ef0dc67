//! The hub's storage in memory, with what a mutant makes it forget.

use super::{Mutant, Violation, log::violated};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use uuid::Uuid;
use whimbrel_hub::{
    Decide, DeviceRecord, DeviceSeen, DeviceStorage, KeptParcel, Keys, LastSeen, MemoryStorage, ParcelPart,
    ParcelStorage, PresenceRecord, PresenceStorage, PushAbout, PushTarget, Storage, StorageError,
};
use whimbrel_model::{
    AccountKey, ChannelId, Cursor, DeviceId, DeviceSync, Epoch, HistoryFrom, StreamId, Timestamp, UserId,
};
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
            Some(Mutant::DeliveredLastWrite) => keys.delivered.clear(),
            Some(Mutant::SettingsForgotten) => keys.account.retain(|(_, key)| *key != AccountKey::Settings),
            Some(Mutant::DeviceForgotten) => {
                keys.account
                    .retain(|(_, key)| !matches!(key, AccountKey::Device(_)));
            }
            Some(Mutant::ThreadReadBack) => keys.reads.retain(|(_, _, thread)| thread.is_none()),
            _ => {}
        }
        keys
    }
}

#[async_trait]
impl DeviceStorage for Weak {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        self.inner.devices(user).await
    }

    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError> {
        self.inner.put_seen(seen).await
    }

    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError> {
        self.inner.behind(user, tokens).await
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        self.inner.push_targets(about).await
    }

    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_devices(before).await
    }
}

#[async_trait]
impl PresenceStorage for Weak {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        self.inner.presence(watcher, users).await
    }

    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError> {
        self.inner.put_last_seen(seen).await
    }
}

#[async_trait]
impl ParcelStorage for Weak {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        self.inner.device_syncs(user).await
    }

    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError> {
        self.inner.put_part(part, kept).await
    }

    async fn read_part(
        &self,
        user: &UserId,
        parcel: (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.read_part(user, parcel, offset).await
    }

    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError> {
        self.inner.keep_parcels(user, kept).await
    }

    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_parcels(before).await
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
