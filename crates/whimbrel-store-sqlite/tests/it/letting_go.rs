//! A database that is let go of, for a while or for good: what other processes and the file system see of it.

use crate::sample::{account, count, database, dir, item, messages, run_sql};
use futures_util::FutureExt as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use whimbrel_model::{Change, Delta, Loaded};
use whimbrel_store::{AccountReader as _, Store, StoreError};
use whimbrel_store_sqlite::SqliteStore;

/// Names the database to the other process.
const DATABASE: &str = "WHIMBREL_TEST_DATABASE";

/// What the other process does, which another test starts: it locks the file exclusively, and then writes to it as a store.
#[tokio::test]
async fn in_another_process() {
    let Some(path) = std::env::var_os(DATABASE).map(PathBuf::from) else {
        return;
    };
    run_sql(
        &path,
        "PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; \
         CREATE TABLE held (a); DROP TABLE held; COMMIT",
    )
    .await;
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(101, 103)).await.unwrap();
    store.close().await;
}

fn another_process_has_it(path: &Path) -> bool {
    let name = "letting_go::in_another_process";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(DATABASE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// The files in the directory of `path` that this process has open.
fn open_files(path: &Path) -> Vec<PathBuf> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let files = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let directory = path.parent().unwrap();
    files.filter(|file| file.starts_with(directory)).collect()
}

fn files_beside(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Opens a new database with an account, an outbox and three messages.
async fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    let own = [Change::Account(account()), Change::Outbox(item(1))];
    store.apply(&Delta { changes: own.into() }).await.unwrap();
    store.apply(&messages(1, 3)).await.unwrap();
    store
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn while_it_is_suspended_another_process_may_have_it() {
    let dir = dir();
    let path = database(&dir);
    let store = filled(&path).await;
    assert_eq!(count(&store).await, 3);
    assert!(!another_process_has_it(&path), "the open one is locked");
    assert!(open_files(&path).len() > 2);

    store.suspend().await.unwrap();
    assert_eq!(open_files(&path), Vec::<PathBuf>::new());
    assert_eq!(files_beside(&path), ["chat.db", "chat.db-lock", "chat.db-outbox"]);
    assert!(another_process_has_it(&path));

    let refused = [
        store.apply(&messages(4, 4)).await.err(),
        store.load().await.err(),
        store.drafts().await.err(),
    ];
    for error in refused {
        let error = error.expect("it is suspended");
        assert_eq!((error.code(), error.is_retryable()), ("store_suspended", true));
    }
    store.resume().await.unwrap();
    assert_eq!(count(&store).await, 6, "with what the other one wrote");
    store.apply(&messages(4, 4)).await.unwrap();
    assert_eq!(count(&store).await, 7);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_were_given_up_hold_nothing_either() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 2_000)).await.unwrap();
    for polls in 0..30 {
        {
            let delta = messages(2_001 + polls, 2_001 + polls);
            let mut calls = [Box::pin(count(&store)), Box::pin(count(&store))];
            let mut write = store.apply(&delta);
            for _ in 0..polls % 5 {
                tokio::task::yield_now().await;
                let _ = (&mut write).now_or_never();
                for call in &mut calls {
                    let _ = call.now_or_never();
                }
            }
        }
        store.suspend().await.unwrap();
        assert_eq!(open_files(&path), Vec::<PathBuf>::new());
        store.resume().await.unwrap();
    }
    assert!(count(&store).await >= 2_000);
}

#[tokio::test]
async fn it_stays_suspended_while_another_one_has_it() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.suspend().await.unwrap();
    let other = SqliteStore::open(&path).await.unwrap();
    for error in [store.resume().await.err(), store.delete().await.err()] {
        assert!(matches!(error, Some(StoreError::InUse { .. })), "{error:?}");
    }
    assert!(matches!(store.load().await, Err(StoreError::Suspended)));
    other.apply(&messages(1, 1)).await.unwrap();
    other.close().await;
    store.resume().await.unwrap();
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn one_that_only_looks_is_suspended_too() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    let observer = SqliteStore::open_read_only(&path).await.unwrap();
    observer.suspend().await.unwrap();
    assert!(matches!(observer.drafts().await, Err(StoreError::Suspended)));
    store.apply(&messages(1, 1)).await.unwrap();
    observer.resume().await.unwrap();
    assert_eq!(count(&observer).await, 1);
    assert!(matches!(
        observer.delete().await,
        Err(StoreError::ReadOnly { .. })
    ));
    assert_eq!(count(&observer).await, 1);
}

#[tokio::test]
async fn damage_that_another_process_did_is_recovered_when_it_is_resumed() {
    let dir = dir();
    let path = database(&dir);
    let store = filled(&path).await;
    store.suspend().await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(4096);
    fs::write(&path, bytes).unwrap();
    store.resume().await.unwrap();
    assert!(store.recovery().is_some());
    assert_eq!(count(&store).await, 0, "everything else comes from the server");
    store.apply(&messages(1, 1)).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

/// Files of a database, and some whose names only begin like them.
const OTHERS: [&str; 5] = [
    "chat.db.db",
    "chat.db.db-wal",
    "chat.db.damaged-1.db",
    "chat.db2",
    "chat.db.damaged-",
];

#[tokio::test]
async fn all_its_files_are_deleted_and_no_others() {
    let dir = dir();
    let path = database(&dir);
    for other in OTHERS {
        fs::write(dir.path().join(other), "another account's").unwrap();
    }
    let store = filled(&path).await;
    for aside in [
        "chat.db.damaged-1",
        "chat.db.damaged-12-wal",
        "chat.db-outbox.new",
    ] {
        fs::write(dir.path().join(aside), "set aside").unwrap();
    }
    let deleted = store.delete().await.unwrap();
    assert!(deleted.len() >= 6, "{deleted:?}");
    assert!(deleted.contains(&path) && deleted.iter().all(|file| !file.exists()));
    let mut left = OTHERS;
    left.sort_unstable();
    assert_eq!(files_beside(&path), left);
    assert!(matches!(store.load().await, Err(StoreError::Closed)));
    let next = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&next).await, 0);
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_is_finished_by_who_comes_next() {
    for gone in [
        vec![],
        vec!["chat.db"],
        vec!["chat.db-outbox"],
        vec!["chat.db", "chat.db-outbox"],
    ] {
        let dir = dir();
        let path = database(&dir);
        let store = filled(&path).await;
        store.close().await;
        fs::write(dir.path().join("chat.db-deleted"), "").unwrap();
        for file in gone {
            fs::remove_file(dir.path().join(file)).unwrap();
        }
        assert!(SqliteStore::open_read_only(&path).await.is_err());
        let next = SqliteStore::open(&path).await.unwrap();
        assert_eq!((count(&next).await, next.recovery()), (0, None));
        assert_eq!(next.load().await.unwrap(), Loaded::default());
        next.close().await;
        assert!(!dir.path().join("chat.db-deleted").exists());
    }
}

#[tokio::test]
async fn a_deletion_that_cannot_begin_leaves_the_database_whole() {
    let dir = dir();
    let path = database(&dir);
    let store = filled(&path).await;
    // Nothing can be written in the place of the mark.
    fs::create_dir(dir.path().join("chat.db-deleted")).unwrap();
    let error = store.delete().await.unwrap_err();
    assert_eq!(error.code(), "store_cannot_delete");
    fs::remove_dir(dir.path().join("chat.db-deleted")).unwrap();
    let next = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&next).await, 3);
}
