//! A store of which some channels are in memory is a store like any other.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};
use whimbrel_store::{InMemory, MemoryStore, SplitStore, Store};

/// The "database" and the memory of each directory: of one process, so that what is in memory is there after reopening.
static STORES: LazyLock<Mutex<HashMap<PathBuf, (MemoryStore, MemoryStore)>>> = LazyLock::new(Mutex::default);

/// Opens the store of a directory, with one channel in memory.
fn open(dir: PathBuf, channel: &str) -> Arc<dyn Store> {
    let mut stores = STORES.lock().expect("no test panics with it");
    let (disk, memory) = stores.entry(dir).or_default();
    let in_memory = InMemory {
        channels: BTreeSet::from([channel.parse().expect("a channel id")]),
        ..InMemory::default()
    };
    let disk = Arc::new(disk.reopen());
    Arc::new(SplitStore::new(disk, memory.reopen(), in_memory))
}

mod the_first_channel {
    use super::{PathBuf, open};
    whimbrel_testkit::store_conformance!(|dir: PathBuf| async move { open(dir, "messaging:a") });
}

mod the_second_channel {
    use super::{PathBuf, open};
    whimbrel_testkit::store_conformance!(|dir: PathBuf| async move { open(dir, "messaging:b") });
}
