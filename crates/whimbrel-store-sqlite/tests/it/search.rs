//! The index of the messages' text, which comes behind the writes.

use crate::sample::{account, cid, database, dir, run_sql};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{path::Path, time::Duration};
use whimbrel_model::{Change, Delta, Membership, Message, MessageBody, MessageId, Row, Timestamp};
use whimbrel_query::{SearchQuery, limits};
use whimbrel_store::{SearchPage, Store, StoreReader};
use whimbrel_store_sqlite::SqliteStore;

async fn number(path: &Path, sql: &'static str) -> i64 {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    number
}

/// Waits until the index has everything.
async fn settled(path: &Path) {
    let behind = "SELECT (SELECT coalesce(max(rowid), 0) FROM messages) - upto \
                  + (SELECT count(*) FROM unindexed) FROM indexed";
    let caught_up = async {
        while number(path, behind).await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await; // tidy: allow sleep: another connection cannot be told when the index has caught up
        }
    };
    tokio::time::timeout(Duration::from_secs(60), caught_up)
        .await
        .expect("the index catches up");
}

fn message(n: u64, ver: u64, text: &str) -> Change {
    let json = serde_json::json!({
        "id": MessageId(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n))),
        "cid": cid(), "author": "bob", "seq": n, "ver": ver, "composed_at": 5, "accepted_at": n / 3,
    });
    let message: Message = serde_json::from_value(json).unwrap();
    Change::Row(Row::Message(Message {
        body: MessageBody::text(text),
        ..message
    }))
}

async fn opened(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    let membership =
        serde_json::json!({"cid": cid(), "user": "ada", "role": "member", "state": "active", "ver": 1});
    let membership: Membership = serde_json::from_value(membership).unwrap();
    let changes = vec![
        Change::Account(account()),
        Change::Row(Row::Membership(membership)),
    ];
    store.apply(&Delta { changes }).await.unwrap();
    store
}

async fn search(store: &SqliteStore, text: &str) -> SearchPage {
    let query = SearchQuery::new(text.parse().unwrap(), limits::SEARCH_HITS);
    store.search(&query).await.unwrap()
}

#[tokio::test]
async fn what_is_in_the_index_is_found_as_the_evaluator_says() {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    whimbrel_testkit::conformance::store::searches_of_what_has_settled(&store, || settled(&path)).await;
}

#[tokio::test]
async fn what_the_index_does_not_have_yet_is_told_and_found_a_moment_later() {
    let dir = dir();
    let path = database(&dir);
    let store = opened(&path).await;
    let changes = (1..=5_000)
        .map(|n| message(n, n, &format!("number {n} of many")))
        .collect();
    store.apply(&Delta { changes }).await.unwrap();
    let early = search(&store, "many number").await;
    assert_eq!((early.messages.len(), early.unindexed), (100, 4_000));
    assert_eq!(early.messages[0].seq, 5_000);
    assert_eq!(search(&store, "\"number 7 of\"").await.messages.len(), 0);
    settled(&path).await;
    let seven = search(&store, "\"number 7 of\"").await;
    assert_eq!((seven.messages.len(), seven.unindexed), (1, 0));
    let mut query = SearchQuery::new("number".parse().unwrap(), 99);
    let mut seqs = Vec::new();
    loop {
        let page = store.search(&query).await.unwrap();
        seqs.extend(page.messages.iter().map(|message| message.seq));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(seqs, (1..=5_000).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_of_a_deleted_or_edited_text_stays_in_the_index() {
    let dir = dir();
    let path = database(&dir);
    let store = opened(&path).await;
    let changes = vec![message(1, 1, "secret one"), message(2, 2, "secret two")];
    store.apply(&Delta { changes }).await.unwrap();
    settled(&path).await;
    let words = "SELECT count(*) FROM words WHERE words MATCH 'secret'";
    assert_eq!(number(&path, words).await, 2);
    let Change::Row(Row::Message(first)) = message(1, 3, "") else {
        panic!("it is a message")
    };
    let gone = Row::Message(Message {
        deleted_at: Some(Timestamp(9)),
        body: MessageBody::default(),
        ..first
    });
    let changes = vec![
        Change::Row(gone),
        message(2, 4, "harmless"),
        message(2, 5, "harmless too"),
    ];
    store.apply(&Delta { changes }).await.unwrap();
    assert_eq!(search(&store, "secret").await, SearchPage::default());
    settled(&path).await;
    assert_eq!(number(&path, words).await, 0);
    assert_eq!(search(&store, "harmless").await.messages.len(), 1);
}

#[tokio::test]
async fn a_change_that_leaves_the_row_as_it_is_leaves_the_index_alone() {
    let dir = dir();
    let path = database(&dir);
    let store = opened(&path).await;
    store.apply(&message(1, 1, "words").into()).await.unwrap();
    settled(&path).await;
    store.apply(&message(1, 2, "words").into()).await.unwrap();
    assert_eq!(number(&path, "SELECT count(*) FROM unindexed").await, 0);
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_indexed_once_it_is_opened() {
    let dir = dir();
    let path = database(&dir);
    let first = concat!(
        include_str!("../../src/schema/0001.sql"),
        include_str!("schema1.sql")
    );
    run_sql(&path, first).await;
    let store = SqliteStore::open(&path).await.unwrap();
    settled(&path).await;
    assert_eq!(
        number(&path, "SELECT count(*) FROM words WHERE words MATCH 'hello'").await,
        1
    );
    assert_eq!(search(&store, "HELL").await.messages.len(), 1);
    assert_eq!(search(&store, "HELL ").await.messages.len(), 0);
}

#[tokio::test]
async fn the_index_goes_on_after_a_restart() {
    let dir = dir();
    let path = database(&dir);
    let store = opened(&path).await;
    store.apply(&message(1, 1, "words").into()).await.unwrap();
    store.close().await;
    assert_eq!(number(&path, "SELECT upto FROM indexed").await, 0);
    let store = SqliteStore::open(&path).await.unwrap();
    settled(&path).await;
    assert_eq!(number(&path, "SELECT upto FROM indexed").await, 1);
    assert_eq!(search(&store, "words").await.messages.len(), 1);
}
