//! The index of the messages' text, which comes behind the commits.

use crate::{
    storage::InDirectory,
    support::{cid, create, op, send, user},
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use std::{path::Path, sync::Arc, time::Duration};
use whimbrel_hub::{Hub, HubConfig, Storage, SystemClock};
use whimbrel_model::{Op, Row};
use whimbrel_protocol::{Answer, Question, Search};
use whimbrel_server::SqliteStorage;
use whimbrel_testkit::conformance::storage::{Opener as _, search::searches_of_what_has_settled};

async fn number(path: &Path, sql: &'static str) -> i64 {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

/// Waits until the index has everything.
async fn settled(path: &Path) {
    let behind = "SELECT (SELECT coalesce(max(id), 0) FROM rows) - upto + (SELECT count(*) FROM unindexed) FROM indexed";
    let caught_up = async {
        while number(path, behind).await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await; // tidy: allow sleep: another connection cannot be told when the index has caught up
        }
    };
    tokio::time::timeout(Duration::from_secs(60), caught_up)
        .await
        .expect("the index catches up");
}

async fn find(storage: &SqliteStorage, text: &str) -> Answer {
    let search = Search {
        text: text.to_owned(),
        ..Search::default()
    };
    storage
        .ask(
            &user("ada"),
            &Question::Search(search),
            whimbrel_model::Timestamp(0),
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_in_the_index_is_found_as_in_memory() {
    let place = InDirectory::new().await;
    let path = place.path();
    searches_of_what_has_settled(&place, || settled(&path)).await;
}

#[tokio::test]
async fn what_the_index_does_not_have_yet_is_told_and_nothing_deleted_stays_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let storage = Arc::new(SqliteStorage::open(&path).await.unwrap());
    let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
    let ada = user("ada");
    let secret = send("messaging:general", "a secret");
    let Op::SendMessage { id, .. } = secret.op else {
        panic!("it is a message")
    };
    hub.ops(&ada, vec![create("messaging:general", &[]), secret])
        .await;
    settled(&path).await;
    let words = "SELECT count(*) FROM words WHERE words MATCH 'secret'";
    assert_eq!(number(&path, words).await, 1);
    assert_eq!(find(&storage, "secret").await.rows.len(), 1);
    let delete = op(Op::DeleteMessage {
        cid: cid("messaging:general"),
        id,
    });
    hub.ops(&ada, vec![delete]).await;
    assert_eq!(find(&storage, "secret").await, Answer::default());
    settled(&path).await;
    assert_eq!(number(&path, words).await, 0);
    hub.close().await;
    storage.close().await;
}

#[tokio::test]
async fn an_older_database_is_indexed_once_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let storage = Arc::new(SqliteStorage::open(&path).await.unwrap());
    let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
    hub.ops(
        &user("ada"),
        vec![
            create("messaging:general", &[]),
            send("messaging:general", "from before"),
        ],
    )
    .await;
    hub.close().await;
    storage.close().await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    let undo = "ALTER TABLE channels DROP COLUMN custom; DROP TRIGGER rows_changed; DROP TABLE words; DROP TABLE indexed; DROP TABLE unindexed; \
                DROP TABLE wakes; DROP TABLE revoked; DROP TABLE seen; DROP TABLE parcels; DROP TABLE parcel_parts; DROP TABLE last_seen; \
                PRAGMA user_version = 2";
    sqlx::raw_sql(undo).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let storage = SqliteStorage::open(&path).await.unwrap();
    settled(&path).await;
    let found = find(&storage, "from befo").await;
    assert!(matches!(&found.rows[..], [Row::Message(_)]), "{found:?}");
    storage.close().await;
}
