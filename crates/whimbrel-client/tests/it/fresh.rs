//! How fresh what is shown is, and why it is as it is.

use crate::support::{general, go_live, made, online, open, settled, shows, texts};
use std::time::Duration;
use whimbrel_client::{Notice, Reason, Source};
use whimbrel_model::{OpId, WaitsFor, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn being_caught_up_is_having_everything_that_was_accepted_before() {
    let server = TestServer::new();
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let channel = made(&ada).await;
    let timeline = general(&bob).timeline().await.unwrap();
    for number in 0..20 {
        let sent = channel.send(format!("message {number}")).await.unwrap();
        sent.settled().await.unwrap();
        bob.wait_until_caught_up(DEADLINE).await.unwrap();
        let last = timeline.items().last().cloned().expect("it has arrived");
        assert_eq!(last.view.message.body.text, format!("message {number}"));
    }
}

#[tokio::test]
async fn offline_the_deadline_says_so_and_after_a_connection_it_is_kept() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let error = ada
        .wait_until_caught_up(Duration::from_millis(1))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_caught_up");
    assert!(error.is_retryable());
    let (waited, connected) = tokio::join!(ada.wait_until_caught_up(DEADLINE), ada.connect());
    connected.unwrap();
    waited.unwrap();
}

#[tokio::test]
async fn lists_say_how_fresh_and_how_complete_they_are() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    channel.send("hello").await.unwrap();
    settled(&ada).await;

    let disk = MemoryStore::new();
    let bob = open(&server, "bob", &disk).await;
    let (list, timeline) = (
        bob.channels().await.unwrap(),
        general(&bob).timeline().await.unwrap(),
    );
    for freshness in [list.freshness(), timeline.freshness()] {
        assert_eq!((freshness.source, freshness.as_of), (Source::Disk, None));
        assert!(!freshness.complete, "nothing was ever heard of the server");
    }
    go_live(&bob).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    shows(&timeline, "the message", |items| items.len() == 1).await;
    for freshness in [list.freshness(), timeline.freshness()] {
        assert_eq!(freshness.source, Source::Server);
        assert!(freshness.complete && freshness.as_of.is_some());
    }
    let as_of = list.freshness().as_of;
    bob.close().await;

    let bob = open(&server, "bob", &disk).await;
    let timeline = general(&bob).timeline().await.unwrap();
    let freshness = timeline.freshness();
    assert_eq!((freshness.source, freshness.as_of), (Source::Disk, as_of));
    assert!(freshness.complete);
    assert_eq!(bob.channels().await.unwrap().freshness(), freshness);
}

#[tokio::test]
async fn a_jump_is_told_of_and_the_timeline_is_not_complete() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    channel.send("first").await.unwrap();
    settled(&ada).await;
    let config = whimbrel_client::EngineConfig {
        fill_messages: 0,
        ..whimbrel_client::EngineConfig::default()
    };
    let bob = server.client("bob").engine(config).open().await.unwrap();
    go_live(&bob).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    let mut notices = bob.notices();
    bob.disconnect().await.unwrap();
    for number in 0..limits::SNAPSHOT_AFTER + 10 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    settled(&ada).await;
    go_live(&bob).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    let cid = general(&bob).cid().clone();
    assert_eq!(notices.try_recv(), Ok(Notice::Discontinuity { cid }));
    let timeline = general(&bob).timeline().await.unwrap();
    let freshness = timeline.freshness();
    assert_eq!(freshness.source, Source::Server);
    assert!(!freshness.complete, "there is a gap");
}

#[tokio::test]
async fn an_unsent_message_is_explained_in_a_sentence() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let channel = general(&ada);
    let created = channel.create("General", ["bob"]).await.unwrap();
    let sent = channel.send("hello").await.unwrap();
    let explanation = ada
        .explain(sent.op())
        .await
        .unwrap()
        .expect("it is in the outbox");
    assert_eq!(explanation.waits_for, WaitsFor::Operation(created.op()));
    assert!(matches!(explanation.reason, Reason::NotConnected(_)));
    assert_eq!(
        explanation.to_string(),
        format!(
            "send_message waits for a connection: the client was not told to connect; operation {} comes before it",
            created.op()
        )
    );
    let unsent = ada.explain_message(sent.id).await.unwrap();
    assert_eq!((unsent.stored.is_none(), unsent.waiting.len()), (true, 1));

    let (id, op) = (sent.id, sent.op());
    go_live(&ada).await;
    sent.settled().await.unwrap();
    assert_eq!(ada.explain(op).await.unwrap(), None);
    channel
        .edit(id, "hello again")
        .await
        .unwrap()
        .settled()
        .await
        .unwrap();
    let explanation = ada.explain_message(id).await.unwrap();
    assert!(explanation.kept_up_to_date);
    let words = explanation.to_string();
    assert!(
        words.contains("number 1 of its channel") && words.ends_with("edit 1"),
        "{words}"
    );
    assert_eq!(
        ada.explain(OpId(id.0)).await.unwrap(),
        None,
        "that is no operation"
    );
}

#[tokio::test]
async fn a_queued_message_is_edited_in_its_place() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let channel = general(&ada);
    channel.create("General", ["bob"]).await.unwrap();
    let first = channel.send("frist").await.unwrap();
    channel.send("second").await.unwrap();
    ada.edit_queued(first.op(), "first").await.unwrap();
    let timeline = channel.timeline().await.unwrap();
    assert_eq!(texts(&timeline.items()), ["first", "second"]);
    go_live(&ada).await;
    settled(&ada).await;
    assert_eq!(texts(&timeline.items()), ["first", "second"]);
    assert_eq!(
        timeline.items()[0].view.message.revision,
        0,
        "it was sent like this"
    );
    let error = ada.edit_queued(first.op(), "too late").await.unwrap_err();
    assert_eq!(error.code(), "not_in_outbox");
}
