//! Where a client keeps its data: in memory, or in a file.

use std::sync::Arc;
use whimbrel_client::{Store, StoreError};
use whimbrel_model::OutboxItem;
use whimbrel_store::MemoryStore;
use whimbrel_store_sqlite::SqliteStore;

pub(crate) enum Disk {
    Memory(MemoryStore),
    Sqlite(tempfile::TempDir),
}

impl Disk {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory(store) => Arc::new(store.reopen()),
            Self::Sqlite(directory) => Arc::new(SqliteStore::open(directory.path().join("ada.db")).await?),
        })
    }

    /// Reads the outbox that is on disk, also while a client uses it.
    pub(crate) async fn outbox(&self) -> Vec<OutboxItem> {
        let store: Arc<dyn Store> = match self {
            Self::Memory(store) => Arc::new(store.reopen()),
            Self::Sqlite(directory) => Arc::new(
                SqliteStore::open_read_only(directory.path().join("ada.db"))
                    .await
                    .unwrap(),
            ),
        };
        let outbox = store.load().await.unwrap().outbox;
        store.close().await;
        outbox
    }
}
