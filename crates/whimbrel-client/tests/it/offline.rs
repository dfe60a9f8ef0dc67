//! Without a network.

use crate::support::{
    CID, all_sent, general, go_live, online, open, reaches, rows, settled, shows, texts, within,
};
use futures_util::FutureExt;
use whimbrel_client::{OlderEdge, SyncState};
use whimbrel_model::overlay::MessageStatus;
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

#[tokio::test]
async fn opening_needs_no_server_and_everything_observable_is_there_at_once() {
    let server = TestServer::new();
    server.stop().await;
    let ada = server.client("ada").open().await.unwrap();
    assert_eq!(ada.status(), SyncState::Offline);
    assert!(ada.outbox().is_empty());
    let timeline = general(&ada).timeline().await.unwrap();
    assert!(timeline.items().is_empty());
    assert_eq!(timeline.edge(), OlderEdge::Start);
    assert!(ada.channels().await.unwrap().items().is_empty());
    assert!(general(&ada).summary().await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_nothing_else_waits_for_it() {
    let server = TestServer::new();
    server.stop().await;
    let ada = server.client("ada").open().await.unwrap();
    ada.connect().await.unwrap();
    reaches(&ada, |status| matches!(status, SyncState::BackingOff { .. })).await;
    let channel = general(&ada);
    let created = channel.create("General", ["bob"]).await.unwrap();
    let timeline = channel.timeline().await.unwrap();
    channel.send("hello").await.unwrap();
    assert_eq!(texts(&timeline.items()), ["hello"]);
    server.start();
    within("the channel", created.settled()).await.unwrap();
    shows(&timeline, "the message as sent", |items| {
        items.len() == 1 && all_sent(items)
    })
    .await;
}

#[tokio::test]
async fn six_kinds_of_operations_made_offline_survive_a_restart_and_reach_others() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    {
        let ada = open(&server, "ada", &disk).await;
        let channel = general(&ada);
        channel.create("General", ["bob"]).await.unwrap();
        let first = channel.send("first").await.unwrap().id;
        channel.edit(first, "first, edited").await.unwrap();
        let second = channel.send("second").await.unwrap().id;
        channel.delete(second).await.unwrap();
        channel.react(first, "like").await.unwrap();
        channel.react(first, "wow").await.unwrap();
        channel.unreact(first, "like").await.unwrap();
        ada.close().await;
    }
    let ada = open(&server, "ada", &disk).await;
    // The edit went up in the first message; the second message, and a reaction, came to nothing.
    assert_eq!(ada.outbox().len(), 3);
    let timeline = general(&ada).timeline().await.unwrap();
    let items = timeline.items();
    assert_eq!(
        texts(&items),
        ["first, edited"],
        "what was never sent and is deleted is gone"
    );
    assert_eq!(items[0].view.status, MessageStatus::Pending);
    assert_eq!(items[0].reactions.len(), 1);
    let list = ada.channels().await.unwrap();
    assert_eq!(list.items()[0].name, "General");
    assert!(list.items()[0].created_locally);

    go_live(&ada).await;
    settled(&ada).await;
    let bob = online(&server, "bob").await;
    let theirs = general(&bob).timeline().await.unwrap();
    shows(&theirs, "the message", |items| {
        items.len() == 1 && !items[0].reactions.is_empty()
    })
    .await;
    shows(&timeline, "the message as sent", |items| {
        items.len() == 1 && all_sent(items)
    })
    .await;
    assert_eq!(rows(&theirs.items()), rows(&timeline.items()));
    let items = theirs.items();
    assert_eq!(texts(&items), ["first, edited"]);
    assert_eq!(items[0].view.message.revision, 0, "nobody saw it unedited");
    assert_eq!(items[0].reactions[0].kind.as_str(), "wow");
}

#[tokio::test]
async fn an_edit_of_an_unsent_message_settles_with_the_message() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    let channel = general(&ada);
    channel.create("General", ["bob"]).await.unwrap();
    let sent = channel.send("first").await.unwrap();
    let edited = channel.edit(sent.id, "better").await.unwrap();
    let timeline = channel.timeline().await.unwrap();
    let items = timeline.items();
    assert_eq!(
        (texts(&items), items[0].view.change_pending),
        (vec!["better".to_owned()], false)
    );
    let mut settling = Box::pin(edited.settled());
    assert!(settling.as_mut().now_or_never().is_none());
    ada.connect().await.unwrap();
    within("the message", sent.settled()).await.unwrap();
    within("the edit", settling).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_deleted_before_it_was_sent_is_settled_at_once_and_gone() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    let channel = general(&ada);
    let timeline = channel.timeline().await.unwrap();
    let sent = channel.send("a thought").await.unwrap();
    let reaction = channel.react(sent.id, "like").await.unwrap();
    let deleted = channel.delete(sent.id).await.unwrap();
    for queued in [reaction, deleted] {
        within("the decision", queued.settled()).await.unwrap();
    }
    within("the message", sent.settled()).await.unwrap();
    assert!(ada.outbox().is_empty() && timeline.items().is_empty());
}

#[tokio::test]
async fn operations_dropped_without_closing_are_on_disk() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let ada = open(&server, "ada", &disk).await;
    general(&ada).send("kept").await.unwrap();
    drop(ada);
    let ada = open(&server, "ada", &disk).await;
    assert_eq!(texts(&general(&ada).timeline().await.unwrap().items()), ["kept"]);
}

#[tokio::test]
async fn queued_is_not_settled() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    let channel = general(&ada);
    channel.create("General", ["bob"]).await.unwrap();
    let sent = channel.send("hello").await.unwrap();
    let mut settling = Box::pin(sent.settled());
    assert!(settling.as_mut().now_or_never().is_none());
    ada.connect().await.unwrap();
    within("the answer", settling).await.unwrap();
    assert!(ada.outbox().is_empty());
}

#[tokio::test]
async fn an_invalid_value_is_refused_before_it_is_queued() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    assert_eq!(general(&ada).send("   ").await.unwrap_err().code(), "invalid");
    assert_eq!(
        general(&ada).send("x".repeat(5_001)).await.unwrap_err().code(),
        "too_large"
    );
    assert_eq!(ada.channel("no colon").unwrap_err().code(), "invalid");
    assert!(ada.outbox().is_empty());
}

#[tokio::test]
async fn disconnecting_is_heard_and_obeyed() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    ada.disconnect().await.unwrap();
    reaches(&ada, |status| *status == SyncState::Offline).await;
    general(&ada).create("General", ["bob"]).await.unwrap();
    assert_eq!(ada.outbox().len(), 1);
    go_live(&ada).await;
    settled(&ada).await;
    assert!(ada.channel(CID).unwrap().summary().await.unwrap().is_some());
}
