//! A database of which one channel is in memory is a store like any other.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};
use whimbrel_store::{InMemory, MemoryStore, SplitStore, Store};
use whimbrel_store_sqlite::SqliteStore;

/// What this process has in memory of each directory.
static MEMORIES: LazyLock<Mutex<HashMap<PathBuf, MemoryStore>>> = LazyLock::new(Mutex::default);

whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
    let disk = SqliteStore::open(dir.join("chat.db")).await.unwrap();
    let memory = MEMORIES.lock().unwrap().entry(dir).or_default().reopen();
    let in_memory = InMemory {
        channels: BTreeSet::from(["messaging:b".parse().unwrap()]),
        ..InMemory::default()
    };
    Arc::new(SplitStore::new(Arc::new(disk), memory, in_memory)) as Arc<dyn Store>
});
