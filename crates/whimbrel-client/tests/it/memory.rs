//! What is kept in memory only, and what is shown one step at a time.

use crate::support::{all_sent, general, go_live, made, online, outbox, settled, shows, texts, within};
use std::{sync::Arc, time::Duration};
use whimbrel_client::{Client, Store};
use whimbrel_model::{Change, Delta, HistoryFrom, MessageQuery, MessageScope, Row};
use whimbrel_store::{MemoryStore, StoreReader};
use whimbrel_testkit::{server::TestServer, store::FailingStore};

const STREAM: &str = "livestream:reef";

#[tokio::test]
async fn without_persistence_everything_works_and_nothing_is_kept() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let open = || {
        let store = Arc::new(disk.reopen());
        server.client("ada").store(store).persistence(false).open()
    };
    let ada = open().await.unwrap();
    let (list, unread) = (ada.channels().await.unwrap(), ada.unread().await.unwrap());
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    channel.send("hello").await.unwrap();
    shows(&timeline, "the message as sent", |items| {
        !items.is_empty() && all_sent(items)
    })
    .await;
    assert_eq!((list.items().len(), unread.totals().messages), (1, 0));
    ada.disconnect().await.unwrap();
    channel.send("never sent").await.unwrap();
    assert_eq!(ada.outbox().len(), 1);
    ada.close().await;
    assert_eq!(disk.load().await.unwrap(), whimbrel_model::Loaded::default());

    let ada = open().await.unwrap();
    assert!(ada.outbox().is_empty(), "the outbox was in memory too");
    go_live(&ada).await;
    let timeline = general(&ada).timeline().await.unwrap();
    shows(&timeline, "what the server has", |items| {
        texts(items) == ["hello"]
    })
    .await;
}

async fn open_split(server: &TestServer, disk: &MemoryStore) -> Client {
    let store = Arc::new(disk.reopen());
    let builder = server.client("bob").store(store);
    builder.never_persist(["livestream"]).open().await.unwrap()
}

async fn on_disk(disk: &MemoryStore, cid: &str) -> usize {
    let query = MessageQuery {
        cid: cid.parse().unwrap(),
        scope: MessageScope::Channel,
        from: HistoryFrom::Newest,
        limit: 1_000,
    };
    disk.reopen().messages(&query).await.unwrap().messages.len()
}

#[tokio::test]
async fn a_type_that_is_never_persisted_is_in_memory_but_for_what_the_user_wrote() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let reef = ada.channel(STREAM).unwrap();
    reef.create("Reef", ["bob"]).await.unwrap();
    for number in 0..5 {
        general(&ada).send(format!("kept {number}")).await.unwrap();
        reef.send(format!("passing {number}")).await.unwrap();
    }
    settled(&ada).await;

    let disk = MemoryStore::new();
    let bob = open_split(&server, &disk).await;
    let (list, unread) = (bob.channels().await.unwrap(), bob.unread().await.unwrap());
    go_live(&bob).await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(list.items().len(), 2, "one list has both");
    assert_eq!(unread.totals().messages, 10);
    let passing = bob.channel(STREAM).unwrap();
    let timeline = passing.timeline().await.unwrap();
    assert_eq!(timeline.items().len(), 5);
    assert_eq!(passing.members().await.unwrap().len(), 2);
    assert_eq!(
        (
            on_disk(&disk, STREAM).await,
            on_disk(&disk, crate::support::CID).await
        ),
        (0, 5)
    );
    bob.disconnect().await.unwrap();
    passing.send("from me").await.unwrap();
    bob.close().await;
    let loaded = disk.reopen().load().await.unwrap();
    assert_eq!(loaded.outbox.len(), 1, "what the user wrote is durable");
    let streams: Vec<_> = loaded.cursors.keys().map(ToString::to_string).collect();
    assert_eq!(streams, ["U:bob", "C:messaging:general"]);

    let bob = open_split(&server, &disk).await;
    let list = bob.channels().await.unwrap();
    assert_eq!(list.items().len(), 2, "that the account is in it is known");
    let timeline = bob.channel(STREAM).unwrap().timeline().await.unwrap();
    assert_eq!(texts(&timeline.items()), ["from me"]);
    go_live(&bob).await;
    outbox(&bob, |summary| summary.queued == 0).await;
    let items = shows(&timeline, "all of it", |items| {
        items.len() == 6 && all_sent(items)
    })
    .await;
    assert_eq!(texts(&items).last().unwrap(), "from me");
    assert!(items.iter().all(|item| !item.gap_before));
    assert_eq!(on_disk(&disk, STREAM).await, 0);
}

/// How many messages each write has, of those that came while nothing could be written.
async fn written_together(sequential: bool) -> Vec<usize> {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let store = FailingStore::new(MemoryStore::new());
    let bob = server.client("bob").store(store.clone());
    let bob = bob.sequential_events(sequential).open().await.unwrap();
    go_live(&bob).await;
    let timeline = general(&bob).timeline().await.unwrap();
    let mut written = store.written();
    store.block();
    channel.send("message 0").await.unwrap();
    within("a write that is held back", store.holds_a_write()).await;
    for number in 1..20 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    settled(&ada).await;
    store.unblock();
    shows(&timeline, "all of them", |items| items.len() == 20).await;
    let mut counts = Vec::new();
    while let Ok(delta) = written.try_recv() {
        counts.push(messages(&delta));
    }
    counts.retain(|count| *count > 0);
    counts
}

fn messages(delta: &Delta) -> usize {
    let is_message = |change: &&Change| matches!(change, Change::Row(Row::Message(_)));
    delta.changes.iter().filter(is_message).count()
}

#[tokio::test]
async fn steps_that_come_together_are_one_batch_or_each_its_own() {
    let together = written_together(false).await;
    assert!(
        together.len() < 20 && together.iter().sum::<usize>() == 20,
        "{together:?}"
    );
    assert_eq!(written_together(true).await, [1; 20]);
}
