use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};
use whimbrel_store::{MemoryStore, Store};

/// One "database" per directory, as on a disk.
static STORES: LazyLock<Mutex<HashMap<PathBuf, MemoryStore>>> = LazyLock::new(Mutex::default);

whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
    let mut stores = STORES.lock().unwrap();
    Arc::new(stores.entry(dir).or_default().reopen()) as Arc<dyn Store>
});
