//! What was written and not sent yet.

use super::support::{
    Shown, World, all_sent, as_others_see_it, caught_up, each_once, go_live, go_offline, ids, made, quick,
    reaches, reef, send_many, seqs, settled, shows, shows_always, status_of, texts, up_to, within,
};
use futures_util::{FutureExt, StreamExt};
use whimbrel::{SyncState, model::overlay::MessageStatus};
use whimbrel_client::{EngineConfig, Store};
use whimbrel_store::StoreReader as _;

#[tokio::test]
async fn u01_a_lost_reply_is_not_a_failed_message() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    // The next bytes of the server are the answer to the message: it is stored, and nobody here learns it.
    device.link.drop_reply_after(0);
    let sent = channel.send("once").await.unwrap();
    let id = sent.id;
    let never_failed = |items: &Shown| !matches!(status_of(items, id), Some(MessageStatus::Failed(_)));
    shows_always(&timeline, "the message as sent", never_failed, all_sent).await;
    within("the answer to the repeat", sent.settled()).await.unwrap();
    assert!(ada.outbox().is_empty());
    let seen = as_others_see_it(&world, 1).await;
    assert_eq!((ids(&seen), seqs(&seen)), (vec![id], vec![1]));
}

#[tokio::test]
async fn u02_a_slow_network_is_not_a_permanent_failure() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let engine = EngineConfig {
        answer_ms: 300,
        connect_ms: 300,
        ..quick()
    };
    let ada = device.builder().engine(engine).open().await.unwrap();
    go_live(&ada).await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    // Nothing is refused and nothing answers, for so long that attempts are given up.
    device.link.stall();
    let sent = channel.send("patience").await.unwrap();
    let id = sent.id;
    let mut attempts = 0;
    let mut watch = ada.watch_status();
    within("three attempts", async {
        while attempts < 3 {
            let status = watch.next().await.unwrap();
            attempts += usize::from(matches!(status, SyncState::BackingOff { .. }));
            assert_eq!(status_of(&timeline.items(), id), Some(MessageStatus::Pending));
        }
    })
    .await;
    assert_eq!(ada.outbox()[0].rejection(), None);
    device.link.restore();
    within("the answer", sent.settled()).await.unwrap();
    let items = shows(&timeline, "the message as sent", all_sent).await;
    assert_eq!(ids(&items), [id]);
    as_others_see_it(&world, 1).await;
}

#[tokio::test]
async fn u04_unsent_messages_stay_when_the_connection_returns() {
    let world = World::start().await;
    let (_phone, ada) = world.online("ada").await;
    let (_other, bob) = world.online("bob").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    go_offline(&ada).await;
    let mut mine = Vec::new();
    for text in ["one", "two", "three"] {
        mine.push(channel.send(text).await.unwrap().id);
    }
    caught_up(&bob).await;
    send_many(&bob, 0, 60).await;
    ada.connect().await.unwrap();
    let holds = |items: &Shown| mine.iter().all(|id| status_of(items, *id).is_some());
    let all = |items: &Shown| items.len() == 63 && all_sent(items);
    let items = shows_always(&timeline, "everything, sent", holds, all).await;
    assert_eq!(ids(&items)[60..], mine, "in the order in which they were written");
}

#[tokio::test]
async fn u07_what_was_written_offline_arrives_in_its_order() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    go_offline(&ada).await;
    let mut written = Vec::new();
    for number in 0..120 {
        written.push(channel.send(format!("message {number}")).await.unwrap().id);
    }
    // Several attempts: each ends in the middle of the answers.
    for bytes in [0, 700, 5_000, 20_000] {
        device.link.drop_reply_after(bytes);
        ada.connect().await.unwrap();
        reaches(&ada, "a break", |status| {
            matches!(status, SyncState::BackingOff { .. } | SyncState::Live)
        })
        .await;
    }
    settled(&ada).await;
    let items = shows(&timeline, "all sent", all_sent).await;
    assert_eq!(ids(&items), written);
    assert_eq!(seqs(&items), up_to(120));
}

#[tokio::test]
async fn u08_everything_goes_through_one_outbox_in_order() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    let channel = reef(&ada);
    channel.create("Reef", ["bob"]).await.unwrap();
    let first = channel.send("frist").await.unwrap().id;
    let second = channel.send("second").await.unwrap().id;
    channel.react(first, "👍").await.unwrap();
    channel.reply(second, "a reply").await.unwrap();
    channel.add_members(["carol".parse().unwrap()]).await.unwrap();
    channel.edit(first, "first").await.unwrap();
    let third = channel.send("third").await.unwrap().id;
    channel.delete(second).await.unwrap();
    let waiting: Vec<_> = ada.outbox().iter().map(|item| item.op.name()).collect();
    assert!(
        waiting.contains(&"add_members") && waiting.contains(&"add_reaction"),
        "{waiting:?}"
    );
    let lanes = ada
        .outbox()
        .iter()
        .filter(|item| item.op.cid() == Some(channel.cid()))
        .count();
    assert_eq!(lanes, waiting.len(), "one lane for all of it");
    go_live(&ada).await;
    settled(&ada).await;
    // Two queues would let a reaction, a reply or a deletion come before what it is about: it would be rejected.
    assert!(ada.outbox().is_empty(), "{:?}", ada.outbox());
    let seen = as_others_see_it(&world, 3).await;
    assert_eq!(ids(&seen), [first, second, third]);
    assert_eq!(texts(&seen), ["first", "", "third"]);
    assert_eq!((seen[0].reactions[0].count, seen[1].replies), (1, 1));
}

#[tokio::test]
async fn u10_what_was_on_its_way_at_a_crash_goes_again_with_its_id() {
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    device.link.stall();
    let sent = channel.send("on its way").await.unwrap();
    let (id, op) = (sent.id, sent.op());
    within("the attempt", async {
        let (_, mut changes) = ada.subscribe_outbox();
        while !ada.outbox().iter().any(|item| item.id == op && item.attempted) {
            changes.next().await;
        }
    })
    .await;
    let crashed = device.crashed(&world).await;
    // The message of the first life arrives too, after all.
    device.link.restore();
    within("the answer", sent.settled()).await.unwrap();
    ada.close().await;

    let ada = crashed.open().await;
    let timeline = reef(&ada).timeline().await.unwrap();
    assert_eq!(status_of(&timeline.items(), id), Some(MessageStatus::Pending));
    assert!(ada.outbox()[0].attempted);
    go_live(&ada).await;
    settled(&ada).await;
    let items = shows(&timeline, "it as sent", all_sent).await;
    assert_eq!(ids(&items), [id]);
    as_others_see_it(&world, 1).await;
}

#[tokio::test]
async fn u11_what_is_shown_is_on_disk() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    let channel = reef(&ada);
    let timeline = channel.timeline().await.unwrap();
    channel.create("Reef", ["bob"]).await.unwrap();
    for number in 1..=5 {
        let id = channel.send(format!("message {number}")).await.unwrap().id;
        assert!(
            status_of(&timeline.items(), id).is_some(),
            "it is shown when the call returns"
        );
        // The power goes at this moment.
        let crashed = device.crashed(&world).await;
        let again = crashed.open().await;
        let shown = reef(&again).timeline().await.unwrap().items();
        assert_eq!(ids(&shown), ids(&timeline.items()));
        again.close().await;
    }
}

#[tokio::test]
async fn u33_what_failed_is_tried_again_without_a_new_write() {
    let mut world = World::start().await;
    let (_device, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    world.stop_server().await;
    let sent = channel.send("while it was down").await.unwrap();
    reaches(&ada, "a failed attempt", |status| {
        matches!(status, SyncState::BackingOff { .. })
    })
    .await;
    world.start_server().await;
    // Nobody calls anything from here on.
    within("the answer", sent.settled()).await.unwrap();
}

#[tokio::test]
async fn u34_offline_every_call_returns_and_only_settling_waits() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let ada = device.open().await;
    let channel = reef(&ada);
    let created = within("creating", channel.create("Reef", ["bob"])).await.unwrap();
    let sent = within("sending", channel.send("hello")).await.unwrap();
    let id = sent.id;
    within("editing", channel.edit(id, "hello again")).await.unwrap();
    within("reacting", channel.react(id, "👍")).await.unwrap();
    within("reading", channel.mark_read()).await.unwrap();
    within("a name", ada.update_profile(Some("Ada".into()), None, None))
        .await
        .unwrap();
    let mut settling = Box::pin(sent.settled());
    assert!(
        settling.as_mut().now_or_never().is_none(),
        "the server has not decided"
    );
    go_live(&ada).await;
    within("the decision", settling).await.unwrap();
    within("the other", created.settled()).await.unwrap();
}

#[tokio::test]
async fn u40_going_online_after_a_long_absence_loses_no_unsent_message() {
    let world = World::start().await;
    let (_phone, ada) = world.online("ada").await;
    let (laptop, far) = world.online("ada").await;
    made(&ada).await;
    caught_up(&far).await;
    let timeline = reef(&far).timeline().await.unwrap();
    go_offline(&far).await;
    let mine = [
        reef(&far).send("unsent one").await.unwrap().id,
        reef(&far).send("unsent two").await.unwrap().id,
    ];
    // So much that the server sends a snapshot instead of what was missed.
    send_many(&ada, 0, 1_050).await;
    far.connect().await.unwrap();
    let holds = |items: &Shown| mine.iter().all(|id| status_of(items, *id).is_some());
    let sent = |items: &Shown| {
        mine.iter()
            .all(|id| status_of(items, *id) == Some(MessageStatus::Sent))
    };
    let items = shows_always(&timeline, "both as sent", holds, sent).await;
    each_once(&items);
    assert!(far.outbox().is_empty());
    let store = laptop.look().await;
    for id in mine {
        assert!(store.message(id).await.unwrap().is_some());
    }
    store.close().await;
}
