//! A store of which one channel is in memory is a store like any other.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};
use whimbrel_store::{InMemory, MemoryStore, SplitStore, Store};

type Both = (MemoryStore, MemoryStore);

/// The "database" and the memory of each directory: of one process, so that what is in memory is there after reopening.
static STORES: LazyLock<Mutex<HashMap<PathBuf, Both>>> = LazyLock::new(Mutex::default);

whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
    let mut stores = STORES.lock().unwrap();
    let (disk, memory) = stores.entry(dir).or_default();
    let in_memory = InMemory {
        channels: BTreeSet::from(["messaging:b".parse().unwrap()]),
        ..InMemory::default()
    };
    Arc::new(SplitStore::new(
        Arc::new(disk.reopen()),
        memory.reopen(),
        in_memory,
    )) as Arc<dyn Store>
});
