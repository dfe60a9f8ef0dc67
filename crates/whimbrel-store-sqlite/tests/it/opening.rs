//! Which files are opened, which are refused, and that a refused one is left as it was.

use crate::sample::{account, cid, count, database, dir, item, messages, run_sql};
use std::{collections::BTreeMap, fs, path::Path};
use whimbrel_model::{Change, Delta, Head, Loaded, RangeSet, StreamId};
use whimbrel_store::{Store, StoreError};
use whimbrel_store_sqlite::SqliteStore;

/// Asserts that `path` cannot be opened, in either way, and that its bytes stay.
async fn assert_refused(path: &Path, check: impl Fn(&StoreError) -> bool) {
    let before = fs::read(path).expect("the file is read");
    for error in [
        SqliteStore::open(path).await.err(),
        SqliteStore::open_read_only(path).await.err(),
    ] {
        let error = error.expect("the file is refused");
        assert!(check(&error), "refused with {error:?}");
    }
    assert!(
        fs::read(path).expect("the file is read") == before,
        "the refused file was changed"
    );
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_untouched() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 3)).await.unwrap();
    store.close().await;
    run_sql(&path, "PRAGMA user_version = 999").await;
    let newer = |error: &StoreError| matches!(error, StoreError::NewerSchema { found: 999, supported, .. } if *supported < 999);
    assert_refused(&path, newer).await;
    let Err(StoreError::NewerSchema { supported, .. }) = SqliteStore::open(&path).await else {
        panic!("it was refused before");
    };
    let back = format!("PRAGMA user_version = {supported}");
    run_sql(&path, back.leak()).await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&store).await, 3);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_kept() {
    let dir = dir();
    let path = database(&dir);
    fs::write(
        &path,
        b"not a database, but something that someone may want back".repeat(200),
    )
    .unwrap();
    let not_one = |error: &StoreError| matches!(error, StoreError::CannotOpen { reason, .. } if reason.contains("not a SQLite database"));
    assert_refused(&path, not_one).await;
}

#[tokio::test]
async fn another_programs_database_is_refused_and_kept() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, "CREATE TABLE notes (text TEXT)").await;
    let another = |error: &StoreError| matches!(error, StoreError::CannotOpen { reason, .. } if reason.contains("another program"));
    assert_refused(&path, another).await;
}

#[tokio::test]
async fn a_database_is_open_for_writing_once() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    let second = SqliteStore::open(&path).await;
    assert!(
        matches!(&second, Err(StoreError::InUse { path: named }) if *named == path),
        "{second:?}"
    );
    store.apply(&messages(1, 1)).await.unwrap();
    store.close().await;
    let third = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&third).await, 1);
}

#[tokio::test]
async fn an_observer_reads_what_is_committed_and_cannot_write() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    let observer = SqliteStore::open_read_only(&path).await.unwrap();
    assert_eq!(count(&observer).await, 0);
    store
        .apply(&Delta::from(Change::Account(account())))
        .await
        .unwrap();
    store.apply(&messages(1, 5)).await.unwrap();
    assert_eq!(count(&observer).await, 5);
    assert_eq!(observer.load().await.unwrap().account, Some(account()));
    let refused = observer.apply(&messages(6, 6)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    store.close().await;
    assert_eq!(count(&observer).await, 5);
    observer.close().await;
    let alone = SqliteStore::open_read_only(&path).await.unwrap();
    assert_eq!(count(&alone).await, 5);
}

#[tokio::test]
async fn an_observer_makes_no_file() {
    let dir = dir();
    let missing = SqliteStore::open_read_only(database(&dir)).await;
    assert!(
        matches!(missing, Err(StoreError::CannotOpen { .. })),
        "{missing:?}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_path_where_no_file_can_be_is_said_with_its_reason() {
    let dir = dir();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    // Cases that fail for the superuser too.
    for path in [
        dir.path().to_owned(),
        file.join("chat.db"),
        "/proc/whimbrel/chat.db".into(),
    ] {
        let refused = SqliteStore::open(&path).await;
        let Err(StoreError::CannotOpen { path: named, reason }) = refused else {
            panic!("{path:?} gave {refused:?}");
        };
        assert_eq!(named, path);
        assert!(!reason.is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_the_own_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = dir();
    let home = dir.path().join("deep").join("home");
    let path = home.join("chat.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 1)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.path().join("deep")), mode(&home)), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 4, "database, log, index and lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_dropped_store_is_released_without_close() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 1)).await.unwrap();
    drop(store);
    let reopened = async {
        loop {
            match SqliteStore::open(&path).await {
                Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    };
    let store = tokio::time::timeout(std::time::Duration::from_secs(10), reopened)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn what_the_device_has_of_its_own_is_loaded_without_the_streams() {
    let dir = dir();
    let store = SqliteStore::open(database(&dir)).await.unwrap();
    let head = Head { ver: 3, seq: 2 };
    let changes = vec![
        Change::Account(account()),
        Change::Outbox(item(1)),
        Change::HeadsToken("7".to_owned()),
        Change::Head(StreamId::Channel(cid()), head),
        Change::Ranges(cid(), RangeSet::default()),
    ];
    store.apply(&Delta { changes }).await.unwrap();
    let all = store.load().await.unwrap();
    assert_eq!((all.heads.len(), all.ranges.len(), all.outbox.len()), (1, 1, 1));
    let own = Loaded {
        heads: BTreeMap::new(),
        ranges: BTreeMap::new(),
        ..all
    };
    assert_eq!(store.load_own().await.unwrap(), own);
}
