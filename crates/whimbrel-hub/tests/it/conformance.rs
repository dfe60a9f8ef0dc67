//! The storage in memory passes the suite that every storage passes. It is also what the suite compares with, so what
//! it asserts here is the rest: reopening, refusals, snapshots, and that equal requests give equal rows.

use async_trait::async_trait;
use std::sync::Arc;
use whimbrel_hub::{MemoryStorage, Storage};
use whimbrel_model::Epoch;
use whimbrel_testkit::conformance::storage::Opener;

struct Memory(MemoryStorage);

#[async_trait]
impl Opener for Memory {
    async fn new() -> Self {
        Self(MemoryStorage::new(Epoch(7)))
    }

    async fn open(&self) -> Arc<dyn Storage> {
        Arc::new(self.0.clone())
    }
}

whimbrel_testkit::storage_conformance!(Memory);
