//! Read positions, unread counts, reactions and threads.

use super::support::{
    CID, World, caught_up, go_live, go_offline, lists, made, reaches, reef, send_many, settled, shows, texts,
    within,
};
use whimbrel::{Client, SyncState, model::Read};

async fn unread(client: &Client) -> u64 {
    let summary = reef(client).summary().await.unwrap();
    summary.expect("the channel is known").unread
}

/// Waits until the list shows the channel with so many unread.
async fn shows_unread(client: &Client, count: u64) {
    lists(client, &format!("{count} unread"), |items| {
        items
            .iter()
            .any(|item| item.cid.as_str() == CID && item.unread == count)
    })
    .await;
}

#[tokio::test]
async fn u17_reading_offline_reaches_the_server() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let (device, bob) = world.online("bob").await;
    send_many(&ada, 0, 5).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    reef(&bob)
        .mark_read()
        .await
        .unwrap()
        .expect("there is something to read");
    shows_unread(&bob, 0).await;
    bob.close().await;
    // More comes in before it is sent: that is not a reason to forget it.
    send_many(&ada, 5, 2).await;
    let bob = device.open().await;
    go_live(&bob).await;
    settled(&bob).await;
    caught_up(&ada).await;
    let is_bobs = |read: &Read| read.user.as_str() == "bob";
    let reads = reef(&ada).reads().await.unwrap();
    assert_eq!(
        reads.iter().find(|read| is_bobs(read)).map(|read| read.seq),
        Some(5)
    );
    let (_other, laptop) = world.online("bob").await;
    caught_up(&laptop).await;
    assert_eq!(unread(&laptop).await, 2);
}

#[tokio::test]
async fn u18_the_unread_count_is_right_whatever_is_missed_or_doubled() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let (device, bob) = world.online("bob").await;
    let (_laptop, other) = world.online("bob").await;
    caught_up(&bob).await;
    for round in 0..12 {
        // An event is lost on its way, or comes by catching up as well.
        device.link.drop_reply_after(round * 150);
        tokio::join!(send_many(&ada, round * 5, 5), go_live(&bob));
    }
    for client in [&bob, &other] {
        caught_up(client).await;
        assert_eq!(unread(client).await, 60);
        shows_unread(client, 60).await;
    }
    let read = reef(&bob)
        .mark_read()
        .await
        .unwrap()
        .expect("there is something to read");
    within("the read position", read.settled()).await.unwrap();
    send_many(&ada, 60, 3).await;
    for client in [&bob, &other] {
        caught_up(client).await;
        assert_eq!(unread(client).await, 3);
        shows_unread(client, 3).await;
    }
}

#[tokio::test]
async fn u19_deleted_messages_and_own_ones_are_not_unread() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let (_device, bob) = world.online("bob").await;
    caught_up(&bob).await;
    send_many(&ada, 0, 5).await;
    send_many(&bob, 0, 2).await;
    caught_up(&bob).await;
    shows_unread(&bob, 5).await;
    let items = channel.timeline().await.unwrap().items();
    for item in items.iter().take(2) {
        channel.delete(item.id()).await.unwrap();
    }
    let parent = items[2].id();
    channel.reply(parent, "in the thread only").await.unwrap();
    settled(&ada).await;
    caught_up(&bob).await;
    shows_unread(&bob, 3).await;
    assert_eq!(unread(&bob).await, 3);
}

#[tokio::test]
async fn u20_what_is_read_on_one_device_is_read_on_the_other() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let (_phone, phone) = world.online("bob").await;
    let (_laptop, laptop) = world.online("bob").await;
    send_many(&ada, 0, 4).await;
    caught_up(&phone).await;
    shows_unread(&laptop, 4).await;
    reef(&phone)
        .mark_read()
        .await
        .unwrap()
        .expect("there is something to read");
    // Nobody asks the laptop to do anything.
    shows_unread(&laptop, 0).await;
}

#[tokio::test]
async fn u28_a_reaction_toggled_offline_counts_once_and_one_taken_back_stays_away() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    let (device, bob) = world.online("bob").await;
    send_many(&ada, 0, 1).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let id = shows(&timeline, "the message", |items| items.len() == 1).await[0].id();
    let counts = |items: &super::support::Shown| -> Vec<(String, u32)> {
        let groups = items[0].reactions.iter();
        groups
            .map(|group| (group.kind.to_string(), group.count))
            .collect()
    };
    reef(&bob).react(id, "❤").await.unwrap();
    settled(&bob).await;
    go_offline(&bob).await;
    reef(&bob).unreact(id, "❤").await.unwrap();
    assert_eq!(counts(&timeline.items()), [], "it is gone at once, offline too");
    for _ in 0..3 {
        reef(&bob).react(id, "👍").await.unwrap();
        assert_eq!(counts(&timeline.items()), [("👍".to_owned(), 1)]);
        reef(&bob).unreact(id, "👍").await.unwrap();
    }
    reef(&bob).react(id, "👍").await.unwrap();
    device.link.drop_reply_after(400);
    bob.connect().await.unwrap();
    settled(&bob).await;
    caught_up(&bob).await;
    caught_up(&ada).await;
    let theirs = reef(&ada).timeline().await.unwrap();
    for timeline in [&timeline, &theirs] {
        assert_eq!(counts(&timeline.items()), [("👍".to_owned(), 1)]);
    }
    bob.close().await;
    let bob = device.open().await;
    let timeline = reef(&bob).timeline().await.unwrap();
    assert_eq!(counts(&timeline.items()), [("👍".to_owned(), 1)]);
}

#[tokio::test]
async fn u29_a_live_reply_does_not_hide_the_replies_that_were_missed() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let (device, bob) = world.online("bob").await;
    let parent = channel.send("a question").await.unwrap().id;
    settled(&ada).await;
    caught_up(&bob).await;
    let thread = reef(&bob).thread(parent).await.unwrap();
    // Replies are missed, and others arrive live while the missed ones are still asked for.
    let mut written = Vec::new();
    for round in 0..10 {
        device.link.cut();
        reaches(&bob, "the break", |status| *status != SyncState::Live).await;
        written.push(format!("missed {round}"));
        channel
            .reply(parent, written.last().unwrap().as_str())
            .await
            .unwrap();
        settled(&ada).await;
        device.link.restore();
        let live = async {
            for number in 0..20 {
                written.push(format!("live {round} {number}"));
                channel
                    .reply(parent, written.last().unwrap().as_str())
                    .await
                    .unwrap();
                settled(&ada).await;
            }
        };
        tokio::join!(live, go_live(&bob));
    }
    settled(&ada).await;
    caught_up(&bob).await;
    let items = shows(&thread, "every reply", |items| items.len() == written.len()).await;
    assert_eq!(texts(&items), written);
}
