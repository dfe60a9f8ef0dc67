//! Opening: what a screen needs comes first, and how far each channel is comes behind.

use crate::support::{general, go_live, made, online, reaches, settled, within};
use std::time::Duration;
use whimbrel_client::{Client, SyncState};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

const DEADLINE: Duration = Duration::from_secs(10);

/// Returns the disk of a client that was live and is closed.
async fn used(server: &TestServer) -> MemoryStore {
    let disk = MemoryStore::new();
    let ada = server
        .client("ada")
        .store(std::sync::Arc::new(disk.reopen()))
        .open()
        .await
        .unwrap();
    go_live(&ada).await;
    made(&ada).await;
    settled(&ada).await;
    ada.close().await;
    disk
}

async fn shows_the_channel(client: &Client) {
    let list = within("the list", client.channels()).await.unwrap();
    assert_eq!(list.items().len(), 1);
}

#[tokio::test]
async fn the_list_is_shown_and_messages_are_queued_before_it_is_read_how_far_each_channel_is() {
    let server = TestServer::new();
    let store = FailingStore::new(used(&server).await.reopen());
    store.block_loads();
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    ada.connect().await.unwrap();
    shows_the_channel(&ada).await;
    let sent = within("the queue", general(&ada).send("early")).await.unwrap();
    assert_eq!((ada.outbox().len(), ada.status()), (1, SyncState::Offline));
    store.unblock_loads();
    within("the answer", sent.settled()).await.unwrap();
    reaches(&ada, |status| *status == SyncState::Live).await;
    let bob = online(&server, "bob").await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn who_wants_to_be_offline_again_meanwhile_is_not_connected() {
    let server = TestServer::new();
    let store = FailingStore::new(used(&server).await.reopen());
    store.block_loads();
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    ada.connect().await.unwrap();
    ada.disconnect().await.unwrap();
    shows_the_channel(&ada).await;
    store.unblock_loads();
    let timeline = within("the timeline", general(&ada).timeline()).await.unwrap();
    assert!(timeline.freshness().complete, "its cursor is known");
    assert_eq!(ada.status(), SyncState::Offline);
}

#[tokio::test]
async fn how_far_each_channel_is_is_read_again_when_it_could_not_be_read() {
    let server = TestServer::new();
    let store = FailingStore::new(used(&server).await.reopen());
    store.block_loads();
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    store.fail_loads(2);
    ada.connect().await.unwrap();
    shows_the_channel(&ada).await;
    store.unblock_loads();
    reaches(&ada, |status| *status == SyncState::Live).await;
    within("the timeline", general(&ada).timeline()).await.unwrap();
}
