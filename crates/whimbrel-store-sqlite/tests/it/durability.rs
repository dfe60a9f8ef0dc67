//! What was committed stays, whatever happens to the caller, the store or the disk.

use crate::sample::{account, cid, count, database, dir, messages, page, run_sql};
use std::{
    fs,
    future::Future,
    pin::pin,
    task::{Context, Waker},
};
use whimbrel_model::{Change, Read, Row};
use whimbrel_store::{Store, StoreError};
use whimbrel_store_sqlite::SqliteStore;

#[tokio::test]
async fn a_dropped_apply_that_had_begun_happens_as_a_whole() {
    const ROUNDS: u64 = 12;
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    for round in 0..ROUNDS {
        let delta = messages(round * 200 + 1, round * 200 + 200);
        {
            let mut apply = pin!(store.apply(&delta));
            // Polled more or less often, so that it is dropped at different places; in the first round never.
            for _ in 0..round {
                if apply
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(count(&store).await % 200, 0, "a part of a delta is visible");
    }
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    let all = page(&store).await.messages;
    assert!(
        all.iter().map(|row| row.seq).eq(201..=ROUNDS * 200),
        "{} messages are there",
        all.len()
    );
}

#[tokio::test]
async fn what_was_applied_is_in_the_files_before_the_store_is_closed() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 200)).await.unwrap();
    store.apply(&messages(201, 201)).await.unwrap();
    // What a killed process leaves behind.
    let crashed = dir.path().join("crashed");
    fs::create_dir(&crashed).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("chat.db{suffix}");
        fs::copy(dir.path().join(&name), crashed.join(&name)).unwrap();
    }
    let after = SqliteStore::open(crashed.join("chat.db")).await.unwrap();
    assert_eq!(page(&after).await.messages, page(&store).await.messages);
    assert_eq!(count(&after).await, 201);
}

#[tokio::test]
async fn applies_that_were_taken_are_finished_by_close() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    let delta = messages(1, 200);
    let (applied, ()) = tokio::join!(store.apply(&delta), store.close());
    applied.unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&store).await, 200);
}

#[tokio::test]
async fn a_failed_delta_leaves_nothing_and_the_store_goes_on() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store.apply(&messages(1, 1)).await.unwrap();
    // A row whose table refuses it, in the middle of a transaction.
    run_sql(
        &path,
        "CREATE TRIGGER refuse BEFORE INSERT ON reads BEGIN SELECT raise(ABORT, 'refused by a trigger'); END",
    )
    .await;
    let read = Read {
        thread: None,
        cid: cid(),
        user: account().user,
        epoch: 1,
        seq: 1,
        furthest: 0,
        private: false,
        ver: 1,
    };
    let mut delta = messages(2, 9);
    delta.push(Change::Row(Row::Read(read)));
    delta.push(Change::HeadsToken("token".to_owned()));
    let failed = store.apply(&delta).await;
    let Err(StoreError::Engine(message)) = failed else {
        panic!("{failed:?}")
    };
    assert!(
        message.contains("refused by a trigger") && message.contains("delta"),
        "{message}"
    );
    assert_eq!(count(&store).await, 1);
    assert_eq!(store.load().await.unwrap().heads_token, None);
    store.apply(&messages(2, 2)).await.unwrap();
    assert_eq!(count(&store).await, 2);
}
