use std::{path::PathBuf, sync::Arc};
use whimbrel_store::Store;
use whimbrel_store_sqlite::SqliteStore;

whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
    Arc::new(SqliteStore::open(dir.join("chat.db")).await.unwrap()) as Arc<dyn Store>
});
