//! What the user can see of an outbox that does not empty.

use crate::support::{general, go_live, made, online, outbox, reaches, settled, shows, texts, within};
use std::sync::Arc;
use whimbrel_client::{Client, EngineConfig, FullJitter, SyncState};
use whimbrel_model::{Change, Code, Delta, OutboxItem, Timestamp, WaitsFor};
use whimbrel_store::{MemoryStore, Store};
use whimbrel_testkit::server::TestServer;

/// A client that hardly ever tries again by itself.
async fn patient(server: &TestServer, user: &str) -> Client {
    let config = EngineConfig {
        retry: Arc::new(FullJitter {
            base_ms: 100_000_000,
            cap_ms: 100_000_000,
        }),
        attention_after: 1,
        ..EngineConfig::default()
    };
    server.client(user).engine(config).open().await.unwrap()
}

#[tokio::test]
async fn what_failed_so_often_is_counted_and_sent_all_the_same() {
    let server = TestServer::new();
    let ada = patient(&server, "ada").await;
    go_live(&ada).await;
    let channel = made(&ada).await;
    server.network().drop_next_reply();
    channel.send("hello").await.unwrap();
    outbox(&ada, |summary| summary.attention == 1 && summary.queued == 1).await;
    assert!(ada.outbox()[0].needs_attention(1));
    ada.connect().await.unwrap();
    settled(&ada).await;
    outbox(&ada, |summary| summary.attention == 0).await;
}

#[tokio::test]
async fn each_operation_says_what_it_waits_for_and_when_it_is_tried_again() {
    let server = TestServer::new();
    server.stop().await;
    let ada = patient(&server, "ada").await;
    let channel = general(&ada);
    let created = channel.create("General", ["bob"]).await.unwrap();
    let sent = channel.send("hello").await.unwrap();
    assert_eq!(ada.next_attempt(sent.op()).await.unwrap(), None);
    ada.connect().await.unwrap();
    reaches(&ada, |status| matches!(status, SyncState::BackingOff { .. })).await;
    assert_eq!(ada.waits_for(created.op()), Some(WaitsFor::Server));
    assert_eq!(ada.waits_for(sent.op()), Some(WaitsFor::Operation(created.op())));
    assert!(ada.next_attempt(sent.op()).await.unwrap().is_some());
    let op = sent.op();
    server.start();
    ada.connect().await.unwrap();
    within("the message", sent.settled()).await.unwrap();
    assert_eq!(ada.waits_for(op), None);
    assert_eq!(ada.next_attempt(op).await.unwrap(), None);
}

#[tokio::test]
async fn everything_rejected_is_sent_again_at_once_and_one_with_another_text() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let dora = online(&server, "dora").await;
    let theirs = general(&dora);
    let mut ops = Vec::new();
    for text in ["one", "two", "three"] {
        let sent = theirs.send(text).await.unwrap();
        ops.push(sent.op());
        within("the rejection", sent.settled()).await.unwrap_err();
    }
    assert_eq!(dora.waits_for(ops[0]), Some(WaitsFor::User));
    let added = channel.add_members([dora.user().clone()]).await.unwrap();
    within("the membership", added.settled()).await.unwrap();
    let better = dora.retry_with(ops[0], "first").await.unwrap();
    within("the answer", better.settled()).await.unwrap();
    let again = dora.retry_all().await.unwrap();
    assert_eq!(again.len(), 2);
    for queued in again {
        within("the answer", queued.settled()).await.unwrap();
    }
    assert!(dora.outbox().is_empty());
    let timeline = theirs.timeline().await.unwrap();
    shows(&timeline, "all three", |items| {
        texts(items) == ["first", "two", "three"]
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_long_ago_without_an_answer_is_for_the_user_to_decide() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let op = {
        let ada = crate::support::open(&server, "ada", &disk).await;
        go_live(&ada).await;
        let channel = made(&ada).await;
        let sent = channel.send("hello").await.unwrap();
        let id = sent.id;
        within("the message", sent.settled()).await.unwrap();
        ada.disconnect().await.unwrap();
        let op = channel.edit(id, "hello there").await.unwrap().op();
        ada.close().await;
        op
    };
    // As it is after a power cut in 2022.
    let item = disk.reopen().load().await.unwrap().outbox.remove(0);
    let item = OutboxItem {
        attempted: true,
        composed_at: Timestamp(1_650_000_000_000),
        ..item
    };
    let delta = Delta {
        changes: vec![Change::Outbox(item)],
    };
    disk.reopen().apply(&delta).await.unwrap();

    let ada = server
        .client("ada")
        .store(Arc::new(disk.reopen()))
        .open()
        .await
        .unwrap();
    go_live(&ada).await;
    let items = ada.outbox();
    assert_eq!(
        items[0].rejection().map(|rejection| &rejection.code),
        Some(&Code::Expired)
    );
    let timeline = general(&ada).timeline().await.unwrap();
    assert_eq!(texts(&timeline.items()), ["hello"]);
    let again = ada.retry(op).await.unwrap();
    within("the edit", again.settled()).await.unwrap();
    shows(&timeline, "the edit", |items| texts(items) == ["hello there"]).await;
}
