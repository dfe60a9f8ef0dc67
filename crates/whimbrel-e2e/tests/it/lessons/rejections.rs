//! What the server decided against.

use super::support::{
    Shown, World, all_sent, caught_up, go_live, go_offline, ids, made, outbox, reef, settled, shows,
    status_of, texts, within,
};
use whimbrel::{
    Channel, Client,
    model::{Op, overlay::MessageStatus},
};

/// Takes bob out of the channel, or back in.
async fn member(channel: &Channel, yes: bool) {
    let bob = ["bob".parse().unwrap()];
    let queued = if yes {
        channel.add_members(bob).await
    } else {
        channel.remove_members(bob).await
    };
    within("the change", queued.unwrap().settled()).await.unwrap();
}

async fn rejected(client: &Client) {
    outbox(client, "the rejection", |summary| summary.rejected == 1).await;
}

#[tokio::test]
async fn u03_a_rejected_message_is_never_shown_as_sent() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    let channel = made(&ada).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    go_offline(&bob).await;
    member(&channel, false).await;
    let id = reef(&bob).send("too late").await.unwrap().id;
    bob.connect().await.unwrap();
    rejected(&bob).await;
    let failed = |items: &Shown| matches!(status_of(items, id), Some(MessageStatus::Failed(_)));
    shows(&timeline, "the failed message", failed).await;
    // Reconnections and a restart do not make a success of it.
    for _ in 0..3 {
        go_offline(&bob).await;
        go_live(&bob).await;
        caught_up(&bob).await;
        assert!(failed(&timeline.items()));
    }
    bob.close().await;
    let bob = device.open().await;
    let timeline = reef(&bob).timeline().await.unwrap();
    go_live(&bob).await;
    caught_up(&bob).await;
    assert!(failed(&timeline.items()), "{:?}", texts(&timeline.items()));
    let held = &bob.outbox()[0];
    assert!(matches!(&held.op, Op::SendMessage { body, .. } if body.text == "too late"));
    assert_eq!(reef(&ada).timeline().await.unwrap().items().len(), 0);
}

#[tokio::test]
async fn u05_a_resent_message_is_shown_as_sent_at_once() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (_phone, bob) = world.online("bob").await;
    let (_laptop, other) = world.online("bob").await;
    let channel = made(&ada).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    go_offline(&bob).await;
    member(&channel, false).await;
    let sent = reef(&bob).send("again").await.unwrap();
    let id = sent.id;
    bob.connect().await.unwrap();
    rejected(&bob).await;
    member(&channel, true).await;
    let queued = bob.retry(sent.op()).await.unwrap();
    within("the second decision", queued.settled()).await.unwrap();
    // On the own screen, with no restart; and on the own other device.
    let items = shows(&timeline, "the message as sent", all_sent).await;
    assert_eq!(ids(&items), [id]);
    assert!(bob.outbox().is_empty());
    let theirs = reef(&other).timeline().await.unwrap();
    shows(&theirs, "the message", |items| ids(items) == [id]).await;
}

#[tokio::test]
async fn u33_a_poison_item_holds_nobody_up() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let (_b, bob) = world.online("bob").await;
    let theirs = reef(&bob).send("bob's").await.unwrap();
    let id = theirs.id;
    within("bob's message", theirs.settled()).await.unwrap();
    let timeline = channel.timeline().await.unwrap();
    shows(&timeline, "bob's message", |items| items.len() == 1).await;
    go_offline(&ada).await;
    channel.send("before").await.unwrap();
    channel.edit(id, "not mine to edit").await.unwrap();
    channel.send("after").await.unwrap();
    go_live(&ada).await;
    settled(&ada).await;
    rejected(&ada).await;
    let items = shows(&timeline, "both", |items| items.len() == 3).await;
    assert_eq!(texts(&items), ["bob's", "before", "after"]);
    assert!(items.iter().all(|item| item.view.status == MessageStatus::Sent));
    assert_eq!(ada.outbox()[0].op.name(), "edit_message");
}
