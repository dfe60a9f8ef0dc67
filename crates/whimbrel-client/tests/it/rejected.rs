//! What the server decides against.

use crate::support::{general, go_live, made, online, outbox, shows, texts, within};
use whimbrel_client::SettleError;
use whimbrel_model::{Code, overlay::MessageStatus};
use whimbrel_testkit::server::TestServer;

#[tokio::test]
async fn a_rejected_message_stays_with_its_text_and_its_reason_and_can_be_sent_again() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let dora = online(&server, "dora").await;
    let theirs = general(&dora);
    let timeline = theirs.timeline().await.unwrap();
    let sent = theirs.send("let me in").await.unwrap();
    let (id, op) = (sent.id, sent.op());
    let error = within("the rejection", sent.settled()).await.unwrap_err();
    assert_eq!(error.code(), "channel_not_found");
    let items = dora.outbox();
    let rejection = items[0].rejection().expect("it was rejected");
    assert_eq!((items[0].id, &rejection.code), (op, &Code::ChannelNotFound));
    let shown = timeline.items();
    assert_eq!(texts(&shown), ["let me in"]);
    assert!(matches!(shown[0].view.status, MessageStatus::Failed(_)));

    let added = channel.add_members([dora.user().clone()]).await.unwrap();
    within("the membership", added.settled()).await.unwrap();
    let again = dora.retry(op).await.unwrap();
    assert_ne!(again.op(), op);
    within("the answer", again.settled()).await.unwrap();
    let items = shows(&timeline, "the message", |items| {
        items.len() == 1 && items[0].view.message.seq > 0
    })
    .await;
    assert_eq!((items[0].id(), &items[0].view.status), (id, &MessageStatus::Sent));
    assert!(dora.outbox().is_empty());
    assert_eq!(dora.retry(op).await.unwrap_err().code(), "not_in_outbox");
}

#[tokio::test]
async fn a_rejected_message_can_be_discarded() {
    let server = TestServer::new();
    let dora = online(&server, "dora").await;
    let timeline = general(&dora).timeline().await.unwrap();
    let sent = general(&dora).send("let me in").await.unwrap();
    let op = sent.op();
    within("the rejection", sent.settled()).await.unwrap_err();
    dora.discard(op).await.unwrap();
    assert!(dora.outbox().is_empty() && timeline.items().is_empty());
}

#[tokio::test]
async fn what_was_never_sent_can_be_discarded_with_what_needs_it() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    let channel = general(&ada);
    let timeline = channel.timeline().await.unwrap();
    let sent = channel.send("a thought").await.unwrap();
    let reaction = channel.react(sent.id, "like").await.unwrap();
    ada.discard(sent.op()).await.unwrap();
    assert!(timeline.items().is_empty());
    let Err(SettleError::Rejected(rejection)) = sent.settled().await else {
        panic!("it was discarded");
    };
    assert_eq!(rejection.code.as_str(), "discarded");
    assert_eq!(
        within("the reaction", reaction.settled())
            .await
            .unwrap_err()
            .code(),
        "parent_rejected"
    );
    assert_eq!(ada.outbox().len(), 1);
}

#[tokio::test]
async fn a_rejection_does_not_hold_what_comes_after_it() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let sent = channel.send("ada's").await.unwrap();
    let id = sent.id;
    within("the message", sent.settled()).await.unwrap();
    let bob = online(&server, "bob").await;
    bob.disconnect().await.unwrap();
    let forbidden = general(&bob).edit(id, "not yours").await.unwrap();
    let allowed = general(&bob).send("bob's").await.unwrap();
    go_live(&bob).await;
    assert_eq!(
        within("the edit", forbidden.settled()).await.unwrap_err().code(),
        "forbidden"
    );
    within("the message", allowed.settled()).await.unwrap();
    outbox(&bob, |summary| summary.queued == 0 && summary.rejected == 1).await;
    let timeline = general(&bob).timeline().await.unwrap();
    shows(&timeline, "what the server has", |items| {
        texts(items) == ["ada's", "bob's"]
    })
    .await;
}
