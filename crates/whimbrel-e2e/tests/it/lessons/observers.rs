//! What is on the screen.

use super::support::{
    Shown, World, all_sent, caught_up, each_once, go_live, go_offline, ids, made, newest_seq, reaches, reef,
    send_many, settled, shows, shows_always, status_of,
};
use futures_util::StreamExt;
use whimbrel::{SyncState, VectorDiff, model::overlay::MessageStatus};

#[tokio::test]
async fn u14_a_message_does_not_disappear_between_its_answer_and_its_echo() {
    let world = World::start().await;
    let (_phone, ada) = world.online("ada").await;
    made(&ada).await;
    let timeline = reef(&ada).timeline().await.unwrap();
    for number in 0..60 {
        let id = reef(&ada).send(format!("message {number}")).await.unwrap().id;
        let shown = |items: &Shown| status_of(items, id).is_some();
        let sent = |items: &Shown| status_of(items, id) == Some(MessageStatus::Sent);
        shows_always(&timeline, "it as sent", shown, sent).await;
    }
}

#[tokio::test]
async fn u15_the_echo_and_the_message_are_one_row_on_every_device() {
    let world = World::start().await;
    let (phone, ada) = world.online("ada").await;
    let (_laptop, other) = world.online("ada").await;
    made(&ada).await;
    caught_up(&other).await;
    let (mine, theirs) = (
        reef(&ada).timeline().await.unwrap(),
        reef(&other).timeline().await.unwrap(),
    );
    let mut sent = Vec::new();
    for number in 0..30 {
        if number % 3 == 0 {
            // The answer is lost: the message comes back by catching up first, and then by the repeat's answer.
            phone.link.drop_reply_after(number);
        }
        sent.push(reef(&ada).send(format!("message {number}")).await.unwrap().id);
    }
    // Each list on the way is looked at: none has a message twice.
    let all = |items: &Shown| items.len() == 30 && all_sent(items);
    assert_eq!(ids(&shows(&mine, "all of them", all).await), sent);
    assert_eq!(ids(&shows(&theirs, "all of them", all).await), sent);
}

#[tokio::test]
async fn u16_a_row_stays_in_its_place_whatever_is_loaded_again() {
    let world = World::start().await;
    let (_phone, ada) = world.online("ada").await;
    made(&ada).await;
    send_many(&ada, 0, 200).await;
    let (_laptop, other) = world.online("ada").await;
    caught_up(&other).await;
    let timeline = reef(&other).timeline().await.unwrap();
    let (mut items, mut diffs) = timeline.subscribe();
    go_offline(&other).await;
    let sent = reef(&other).send("unsent").await.unwrap().id;
    timeline.load_older(50).await.unwrap();
    go_live(&other).await;
    timeline.load_older(50).await.unwrap();
    settled(&other).await;
    let mut last = None;
    while status_of(&items, sent) != Some(MessageStatus::Sent) {
        for diff in diffs.next().await.expect("the timeline is alive") {
            let whole = matches!(
                diff,
                VectorDiff::Reset { .. } | VectorDiff::Clear | VectorDiff::Truncate { .. }
            );
            assert!(!whole, "the whole list was drawn again");
            diff.apply(&mut items);
        }
        each_once(&items);
        let place = items.len() - items.iter().position(|item| item.id() == sent).unwrap_or(0);
        assert_eq!(*last.get_or_insert(place), 1, "it is the last row all the time");
    }
}

#[tokio::test]
async fn u31_what_is_on_disk_is_shown_before_the_network_says_anything() {
    const CHANNELS: usize = 120;
    let world = World::start().await;
    let (device, ada) = world.online("ada").await;
    for number in 0..CHANNELS {
        let channel = ada.channel(format!("messaging:room-{number}")).unwrap();
        channel.create(format!("Room {number}"), ["bob"]).await.unwrap();
        channel.send("hello").await.unwrap();
    }
    settled(&ada).await;
    ada.close().await;
    // The network takes connections, and nothing ever comes of them.
    device.link.stall();
    let ada = device.open().await;
    ada.connect().await.unwrap();
    reaches(&ada, "connecting", |status| *status == SyncState::Connecting).await;
    let list = ada.channels().await.unwrap();
    while list.has_more() {
        list.load_more(50).await.unwrap();
    }
    assert_eq!(list.items().len(), CHANNELS);
    for item in list.items() {
        let timeline = ada.channel(item.cid.as_str()).unwrap().timeline().await.unwrap();
        assert_eq!(timeline.items().len(), 1);
    }
    assert_eq!(
        ada.status(),
        SyncState::Connecting,
        "nothing of it came from the network"
    );
}

#[tokio::test]
async fn u32_an_open_timeline_holds_a_window_and_not_everything() {
    // The window, and what it may grow by before it is cut.
    const WINDOW: usize = 500 + 200;
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let (device, bob) = world.online("bob").await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let mut from = 0;
    for last in [300, 700, 1_100, 1_500] {
        send_many(&ada, from, last - from).await;
        from = last;
        let newest = u64::try_from(last).unwrap();
        let bounded = |items: &Shown| items.len() <= WINDOW;
        shows_always(&timeline, "the newest", bounded, |items| {
            newest_seq(items) == newest
        })
        .await;
    }
    // Everything is on disk, and comes back on demand.
    assert_eq!(device.seqs_on_disk().await.len(), 1_500);
    let before = timeline.items().len();
    timeline.load_older(100).await.unwrap();
    assert!(timeline.items().len() > before);
}
