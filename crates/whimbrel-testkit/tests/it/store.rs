//! A store that fails on command.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
};
use whimbrel_model::{Change, Cursor, Delta, StreamId, UserId};
use whimbrel_store::{MemoryStore, Store, StoreError};
use whimbrel_testkit::store::FailingStore;

/// Told nothing, it is the store behind it: it leaves no call out.
mod conformance {
    use super::*;

    static DISK: LazyLock<Mutex<HashMap<PathBuf, MemoryStore>>> = LazyLock::new(Mutex::default);

    whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
        let mut disk = DISK.lock().unwrap();
        FailingStore::new(disk.entry(dir).or_default().reopen()) as Arc<dyn Store>
    });
}

fn own() -> StreamId {
    StreamId::User(UserId::new("ada").unwrap())
}

fn delta(ver: u64) -> Delta {
    let cursor = Cursor {
        ver,
        ..Cursor::default()
    };
    Change::Cursor(own(), cursor).into()
}

async fn ver(store: &FailingStore) -> Option<u64> {
    let loaded = store.load().await.unwrap();
    loaded.cursors.get(&own()).map(|cursor| cursor.ver)
}

#[tokio::test]
async fn a_write_fails_so_often_and_leaves_nothing() {
    let store = FailingStore::new(MemoryStore::new());
    store.fail_writes(2);
    for _ in 0..2 {
        let failed = store.apply(&delta(1)).await;
        assert!(matches!(failed, Err(StoreError::DiskFull)), "{failed:?}");
        assert_eq!(ver(&store).await, None);
    }
    store.apply(&delta(1)).await.unwrap();
    assert_eq!(ver(&store).await, Some(1));
}

#[tokio::test]
async fn a_lost_outcome_and_a_panic_leave_the_write() {
    let store = FailingStore::new(MemoryStore::new());
    store.lose_outcomes(1);
    store.apply(&delta(1)).await.unwrap_err();
    assert_eq!(ver(&store).await, Some(1));
    store.panic_after_writes(1);
    let writer = store.clone();
    let panicked = tokio::task::JoinSet::from_iter([async move { writer.apply(&delta(2)).await }])
        .join_next()
        .await
        .unwrap();
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(ver(&store).await, Some(2));
}

#[tokio::test]
async fn a_load_fails_so_often() {
    let store = FailingStore::new(MemoryStore::new());
    store.fail_loads(1);
    store.load().await.unwrap_err();
    store.load().await.unwrap();
}

#[tokio::test]
async fn a_blocked_write_happens_when_it_is_let_through_and_is_told_of() {
    let store = FailingStore::new(MemoryStore::new());
    let mut written = store.written();
    store.block();
    let first = delta(1);
    tokio::select! {
        biased;
        _ = store.apply(&first) => panic!("it was not held back"),
        () = store.holds_a_write() => {}
    }
    // That one was given up, and nothing was written.
    assert_eq!(ver(&store).await, None);
    assert!(written.try_recv().is_err());
    let second = delta(2);
    let (applied, ()) = tokio::join!(store.apply(&second), async {
        store.holds_a_write().await;
        assert_eq!(ver(&store).await, None);
        store.unblock();
    });
    applied.unwrap();
    assert_eq!(ver(&store).await, Some(2));
    assert_eq!(written.try_recv(), Ok(second));
    store.close().await;
    store.closed().await;
}
