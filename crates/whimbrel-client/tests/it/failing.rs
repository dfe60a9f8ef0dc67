//! A database that fails.

use crate::support::{all_sent, general, go_live, made, online, reaches, settled, shows, texts, within};
use whimbrel_client::{Notice, SyncState};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::{server::TestServer, store::FailingStore};

#[tokio::test]
async fn a_write_that_fails_is_an_error_shows_nothing_and_costs_nothing_queued_before() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    let channel = general(&ada);
    let timeline = channel.timeline().await.unwrap();
    channel.create("General", ["bob"]).await.unwrap();
    let before = channel.send("before").await.unwrap();
    store.fail_writes(1);
    let error = channel.send("lost").await.unwrap_err();
    assert_eq!(error.code(), "store_disk_full");
    assert!(error.is_retryable());
    assert_eq!(texts(&timeline.items()), ["before"]);
    assert_eq!(ada.outbox().len(), 2);
    go_live(&ada).await;
    within("what was queued before", before.settled()).await.unwrap();
    channel.send("after").await.unwrap();
    let items = shows(&timeline, "both", |items| items.len() == 2 && all_sent(items)).await;
    assert_eq!(texts(&items), ["before", "after"]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_asked_for_again() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let sent = channel.send("once").await.unwrap();
    store.fail_writes(2);
    within("the answer", sent.settled()).await.unwrap();
    settled(&ada).await;
    let items = shows(&timeline, "the message as sent", all_sent).await;
    assert_eq!(texts(&items), ["once"]);
    let bob = online(&server, "bob").await;
    let theirs = general(&bob).timeline().await.unwrap();
    shows(&theirs, "it once", |items| texts(items) == ["once"]).await;
}

#[tokio::test]
async fn what_others_sent_while_the_disk_was_full_arrives_later() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let store = FailingStore::new(MemoryStore::new());
    let bob = server.client("bob").store(store.clone()).open().await.unwrap();
    go_live(&bob).await;
    let theirs = general(&bob).timeline().await.unwrap();
    store.fail_writes(2);
    for number in 0..5 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    let items = shows(&theirs, "all five", |items| items.len() == 5).await;
    assert!(
        items
            .iter()
            .zip(1..)
            .all(|(item, seq)| item.view.message.seq == seq)
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_read_back_is_tried_until_it_can() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    store.fail_writes(1);
    store.fail_loads(2);
    channel.send("lost").await.unwrap_err();
    reaches(
        &ada,
        |status| matches!(status, SyncState::BackingOff { reason, .. } if reason.contains("disk")),
    )
    .await;
    // Until then a call fails at once, and what is on disk can be read.
    let error = channel.send("refused").await.unwrap_err();
    assert!(error.code().starts_with("store_"), "{error}");
    assert!(ada.channels().await.is_ok());
    reaches(&ada, |status| *status == SyncState::Live).await;
    channel.send("kept").await.unwrap();
    let items = shows(&timeline, "the message as sent", |items| {
        !items.is_empty() && all_sent(items)
    })
    .await;
    assert_eq!(texts(&items), ["kept"]);
}

#[tokio::test]
async fn a_client_whose_database_is_gone_can_be_closed() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    store.fail_writes(usize::MAX);
    store.fail_loads(usize::MAX);
    general(&ada).send("lost").await.unwrap_err();
    within("closing", ada.close()).await;
    within("the store", store.closed()).await;
}

#[tokio::test]
async fn what_was_shown_before_a_failure_is_shown_after_it() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let list = ada.channels().await.unwrap();
    let sent = channel.send("accepted").await.unwrap();
    let id = sent.id;
    within("the message", sent.settled()).await.unwrap();
    let thread = channel.thread(id).await.unwrap();
    within("a reply", channel.reply(id, "a reply").await.unwrap().settled())
        .await
        .unwrap();
    let before = (timeline.items(), thread.items(), list.items());
    assert_eq!((before.0.len(), before.1.len(), before.2.len()), (1, 1, 1));
    store.fail_writes(1);
    channel.send("lost").await.unwrap_err();
    reaches(&ada, |status| *status == SyncState::Live).await;
    assert_eq!((timeline.items(), thread.items(), list.items()), before);
}

#[tokio::test]
async fn what_was_written_all_the_same_is_shown_and_goes_out() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    store.lose_outcomes(1);
    let error = channel.send("on disk").await.unwrap_err();
    assert_eq!(error.code(), "store_engine");
    let items = shows(&timeline, "it as sent", |items| {
        !items.is_empty() && all_sent(items)
    })
    .await;
    assert_eq!(texts(&items), ["on disk"]);

    let bob = online(&server, "bob").await;
    store.lose_outcomes(1);
    for number in 0..5 {
        general(&bob).send(format!("message {number}")).await.unwrap();
    }
    shows(&timeline, "all of bob's", |items| items.len() == 6).await;
}

#[tokio::test]
async fn a_decision_that_was_written_without_anyone_knowing_ends_the_waiting() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let sent = channel.send("decided").await.unwrap();
    store.lose_outcomes(1);
    // Which of the two it is depends on whether the answer was in the write whose outcome was lost.
    if let Err(error) = within("an end", sent.settled()).await {
        assert_eq!(error.code(), "client_closed");
    }
    shows(&timeline, "it as sent", |items| {
        !items.is_empty() && all_sent(items)
    })
    .await;
}

#[tokio::test]
async fn a_panic_in_the_driver_is_told_of_and_what_was_queued_goes_out_all_the_same() {
    let server = TestServer::new();
    let store = FailingStore::new(MemoryStore::new());
    let ada = server.client("ada").store(store.clone()).open().await.unwrap();
    let mut notices = ada.notices();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    store.panic_after_writes(1);
    let error = channel.send("once").await.unwrap_err();
    assert_eq!(error.code(), "interrupted");
    assert!(error.is_retryable());
    let notice = within("the notice", notices.recv()).await.unwrap();
    assert!(
        matches!(&notice, Notice::Restarted { cause } if cause.contains("told to panic")),
        "{notice:?}"
    );
    // The write had happened: it is shown, and sent once.
    let items = shows(&timeline, "the message as sent", |items| {
        items.len() == 1 && all_sent(items)
    })
    .await;
    assert_eq!(texts(&items), ["once"]);
    settled(&ada).await;
    channel.send("again").await.unwrap();
    shows(&timeline, "the next one", |items| {
        texts(items) == ["once", "again"]
    })
    .await;
}
