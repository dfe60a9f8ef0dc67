//! Two people, several devices, one truth.

use crate::support::{
    all_sent, each_once, general, go_live, made, online, open, settled, shows, texts, within,
};
use futures_util::{FutureExt, StreamExt};
use whimbrel_model::overlay::MessageStatus;
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_there_exactly_once() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    server.network().drop_next_reply();
    let sent = channel.send("once").await.unwrap();
    let id = sent.id;
    within("the answer to the repeat", sent.settled()).await.unwrap();
    let items = shows(&timeline, "the message as sent", all_sent).await;
    assert_eq!(texts(&items), ["once"]);
    let bob = online(&server, "bob").await;
    let theirs = general(&bob).timeline().await.unwrap();
    let items = shows(&theirs, "the message", |items| !items.is_empty()).await;
    assert_eq!(
        (items.len(), items[0].id(), items[0].view.message.seq),
        (1, id, 1)
    );
}

#[tokio::test]
async fn a_channel_whose_answer_was_lost_is_made_exactly_once() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    server.network().drop_next_reply();
    let channel = made(&ada).await;
    assert_eq!(channel.members().await.unwrap().len(), 3);
    assert!(ada.outbox().is_empty());
}

#[tokio::test]
async fn an_echo_keeps_its_row_from_pending_to_sent() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let (mut items, mut diffs) = timeline.subscribe();
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(channel.send(format!("message {number}")).await.unwrap().id);
    }
    within("all messages as sent", async {
        let mut shown = 0;
        while items.len() < 10 || !all_sent(&items) {
            for diff in diffs.next().await.unwrap() {
                diff.apply(&mut items);
            }
            each_once(&items);
            assert!(items.len() >= shown, "an echo vanished");
            shown = items.len();
            let ids: Vec<_> = items.iter().map(|item| item.id()).collect();
            assert_eq!(ids, sent[..shown], "rows change their places");
        }
    })
    .await;
    settled(&ada).await;
    while let Some(Some(batch)) = diffs.next().now_or_never() {
        batch.into_iter().for_each(|diff| diff.apply(&mut items));
    }
    assert_eq!(items, timeline.items(), "C18: the diffs rebuild the list");
}

#[tokio::test]
async fn another_device_of_the_same_user_sees_it_as_its_own() {
    let server = TestServer::new();
    let phone = online(&server, "ada").await;
    let channel = made(&phone).await;
    let laptop = online(&server, "ada").await;
    assert_ne!(phone.device(), laptop.device());
    let timeline = general(&laptop).timeline().await.unwrap();
    let id = channel.send("from the phone").await.unwrap().id;
    let items = shows(&timeline, "the message", |items| items.len() == 1).await;
    assert_eq!(items[0].view.status, MessageStatus::Sent);
    assert_eq!(items[0].view.message.author, *laptop.user());
    general(&laptop).edit(id, "edited on the laptop").await.unwrap();
    let timeline = channel.timeline().await.unwrap();
    shows(&timeline, "the edit", |items| {
        texts(items) == ["edited on the laptop"]
    })
    .await;
}

#[tokio::test]
async fn a_name_shows_up_at_others() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let named = ada
        .update_profile(Some("Ada L.".to_owned()), None, None)
        .await
        .unwrap();
    within("the name", named.settled()).await.unwrap();
    let bob = online(&server, "bob").await;
    let known = bob.users(std::slice::from_ref(ada.user())).await.unwrap();
    assert_eq!(known[0].name, "Ada L.");
}

#[tokio::test]
async fn what_is_unread_is_counted_until_it_is_read() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let bob = online(&server, "bob").await;
    let theirs = general(&bob).timeline().await.unwrap();
    for number in 0..3 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    shows(&theirs, "three messages", |items| items.len() == 3).await;
    let summary = general(&bob).summary().await.unwrap().unwrap();
    assert_eq!(summary.unread, 3);
    let read = general(&bob)
        .mark_read()
        .await
        .unwrap()
        .expect("there is something to read");
    within("the read position", read.settled()).await.unwrap();
    assert_eq!(general(&bob).summary().await.unwrap().unwrap().unread, 0);
    assert!(general(&bob).mark_read().await.unwrap().is_none());
}

#[tokio::test]
async fn who_leaves_and_comes_back_sees_what_happened_since() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let bob = online(&server, "bob").await;
    let left = general(&bob).leave().await.unwrap();
    within("the leaving", left.settled()).await.unwrap();
    let sent = channel.send("while bob was away").await.unwrap();
    within("the message", sent.settled()).await.unwrap();
    let theirs = general(&bob).timeline().await.unwrap();
    assert!(theirs.items().is_empty());
    channel.add_members([bob.user().clone()]).await.unwrap();
    shows(&theirs, "the message", |items| {
        texts(items) == ["while bob was away"]
    })
    .await;
}

#[tokio::test]
async fn a_server_restored_from_a_backup_is_followed_into_its_history() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let ada = open(&server, "ada", &disk).await;
    go_live(&ada).await;
    let channel = made(&ada).await;
    let kept = channel.send("before the backup").await.unwrap();
    within("the message", kept.settled()).await.unwrap();
    let backup = server.storage().fork(whimbrel_model::Epoch(2));
    let lost = channel.send("after the backup").await.unwrap();
    within("the message", lost.settled()).await.unwrap();
    ada.close().await;

    let server = TestServer::over(backup, Default::default());
    let ada = open(&server, "ada", &disk).await;
    let timeline = general(&ada).timeline().await.unwrap();
    assert_eq!(timeline.items().len(), 2);
    go_live(&ada).await;
    shows(&timeline, "the history that there is", |items| {
        texts(items) == ["before the backup"]
    })
    .await;
    let sent = general(&ada).send("and on").await.unwrap();
    within("the message", sent.settled()).await.unwrap();
    shows(&timeline, "both", |items| {
        texts(items) == ["before the backup", "and on"] && all_sent(items)
    })
    .await;
}
