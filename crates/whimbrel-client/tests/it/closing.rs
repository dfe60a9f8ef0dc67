//! How a client ends, and calls that are given up.

use crate::support::{general, go_live, made, online, texts, within};
use futures_util::FutureExt;
use whimbrel_client::SyncState;
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

#[tokio::test]
async fn after_closing_every_call_says_so() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    ada.disconnect().await.unwrap();
    let sent = channel.send("hello").await.unwrap();
    within("closing", ada.close()).await;
    within("closing twice", ada.close()).await;
    assert_eq!(ada.status(), SyncState::Closed);
    let errors = [
        channel.send("more").await.map(drop).unwrap_err(),
        channel.edit(sent.id, "more").await.map(drop).unwrap_err(),
        channel.timeline().await.map(drop).unwrap_err(),
        channel.summary().await.map(drop).unwrap_err(),
        channel.mark_read().await.map(drop).unwrap_err(),
        timeline.load_older(5).await.unwrap_err(),
        ada.channels().await.map(drop).unwrap_err(),
        ada.connect().await.unwrap_err(),
        ada.disconnect().await.unwrap_err(),
        ada.discard(sent.op()).await.unwrap_err(),
        ada.users(&[]).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code(), "client_closed");
    }
    assert_eq!(
        texts(&timeline.items()),
        ["hello"],
        "what was shown can still be read"
    );
    assert_eq!(sent.settled().await.unwrap_err().code(), "client_closed");
}

#[tokio::test]
async fn closing_while_connected_ends_the_connection() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    within("closing", ada.close()).await;
    // The server's tasks end only when the connection has.
    within("the server", server.close()).await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_tasks() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    drop(ada);
    drop(channel);
    // A timeline is a handle too.
    assert!(store.closed().now_or_never().is_none());
    timeline.load_older(1).await.unwrap();
    drop(timeline);
    within("the store to be closed", store.closed()).await;
}

#[tokio::test]
async fn dropping_the_last_handle_while_connecting_ends_the_tasks() {
    let server = TestServer::new();
    server.stop().await;
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    ada.connect().await.unwrap();
    drop(ada);
    within("the store to be closed", store.closed()).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_is_written_has_happened_as_a_whole() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    let channel = general(&ada);
    let timeline = channel.timeline().await.unwrap();
    store.block();
    {
        let mut call = Box::pin(channel.send("given up"));
        assert!(call.as_mut().now_or_never().is_none());
        within("the write", store.holds_a_write()).await;
    }
    store.unblock();
    channel.send("after").await.unwrap();
    assert_eq!(texts(&timeline.items()), ["given up", "after"]);
    assert_eq!(ada.outbox().len(), 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_at_any_point_leaves_all_or_nothing() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    let channel = general(&ada);
    let timeline = channel.timeline().await.unwrap();
    let mut least = 0;
    for polls in 0..6 {
        let mut call = Box::pin(channel.send(format!("after {polls} polls")));
        for _ in 0..polls {
            if call.as_mut().now_or_never().is_some() {
                least += 1;
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    channel.send("last").await.unwrap();
    let shown = timeline.items();
    assert_eq!(shown.len(), ada.outbox().len());
    assert!(shown.len() > least && shown.len() <= 7);
    assert_eq!(texts(&shown).last().map(String::as_str), Some("last"));
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_is_found_again() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    server.stop().await;
    let sent = channel.send("meanwhile").await.unwrap();
    server.start();
    within("the answer", sent.settled()).await.unwrap();
}
