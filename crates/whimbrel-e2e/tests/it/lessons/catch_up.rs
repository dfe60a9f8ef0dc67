//! What happened while a device was away.

use super::support::{
    CID, DEADLINE, Shown, World, all_sent, caught_up, go_live, go_offline, ids, lists, made, newest_seq,
    quick, reaches, reef, send_many, seqs, settled, shows, shows_always, texts, up_to, within,
};
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;
use whimbrel::{
    OlderEdge, SyncState,
    model::{Epoch, MessageQuery, MessageScope, People, StreamId, limits},
};
use whimbrel_client::{EngineConfig, Query, Store};
use whimbrel_store::{MemoryStore, StoreReader};
use whimbrel_testkit::server::TestServer;

#[tokio::test]
async fn u09_nothing_limits_how_many_channels_are_caught_up() {
    // More than the server tells of at once, and more changes than any page holds.
    const CHANNELS: usize = limits::HEADS_PER_PAGE + 20;
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    made(&ada).await;
    send_many(&ada, 0, 1).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    for number in 0..CHANNELS {
        let channel = ada.channel(format!("messaging:room-{number}")).unwrap();
        channel.create(format!("Room {number}"), ["bob"]).await.unwrap();
        channel.send("hello").await.unwrap();
    }
    settled(&ada).await;
    go_live(&bob).await;
    caught_up(&bob).await;
    let store = device.look().await;
    let all = store
        .channels(&Query::channel_list(), None, 2 * CHANNELS, &People::default())
        .await
        .unwrap();
    assert_eq!(all.len(), CHANNELS + 1);
    for row in &all {
        assert_eq!((row.head_seq, row.unread), (1, 1), "{} is behind", row.cid);
    }
    store.close().await;
    assert_eq!(device.seqs_on_disk().await, up_to(1), "what was there stayed");
}

#[tokio::test]
async fn u12_more_than_one_page_missed_leaves_no_hole() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    made(&ada).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    send_many(&ada, 0, 450).await;
    go_live(&bob).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    assert_eq!(device.seqs_on_disk().await, up_to(450));
    assert_eq!(reef(&bob).gaps().await.unwrap(), []);
    let timeline = reef(&bob).timeline().await.unwrap();
    while timeline.edge() != OlderEdge::Start {
        timeline.load_older(100).await.unwrap();
    }
    assert_eq!(seqs(&timeline.items()), up_to(450));
}

#[tokio::test]
async fn u12_what_was_skipped_is_a_gap_that_says_so_and_can_be_filled() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let device = world.device("bob").await;
    let engine = EngineConfig {
        fill_messages: 0,
        ..quick()
    };
    let bob = device.builder().engine(engine).open().await.unwrap();
    go_live(&bob).await;
    made(&ada).await;
    send_many(&ada, 0, 5).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    send_many(&ada, 5, 1_100).await;
    go_live(&bob).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    assert!(
        !timeline.freshness().complete,
        "nobody says that messages are missing"
    );
    let gaps = reef(&bob).gaps().await.unwrap();
    assert!(gaps.iter().any(|gap| !gap.stale), "{gaps:?}");
    for _ in 0..20 {
        let Some(gap) = reef(&bob).gaps().await.unwrap().pop() else {
            break;
        };
        reef(&bob).fill_gap(gap, 200).await.unwrap();
    }
    assert_eq!(device.seqs_on_disk().await, up_to(1_105));
}

#[tokio::test]
async fn u13_a_connection_that_breaks_while_catching_up_leaves_no_hole() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    made(&ada).await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    send_many(&ada, 0, 700).await;
    for bytes in (0..40).map(|step| step * 9_000) {
        device.link.drop_reply_after(bytes);
        bob.connect().await.unwrap();
        reaches(&bob, "an end", |status| {
            matches!(status, SyncState::BackingOff { .. } | SyncState::Live)
        })
        .await;
        go_offline(&bob).await;
        // What is on disk has no hole, and the cursor claims no more than that.
        let held = device.seqs_on_disk().await;
        assert_eq!(held, up_to(held.len() as u64));
        let store = device.look().await;
        let cursors = store.load().await.unwrap().cursors;
        store.close().await;
        let cursor = cursors.get(&StreamId::Channel(CID.parse().unwrap()));
        let claimed = cursor.map_or(0, |cursor| cursor.seq);
        assert!(
            claimed <= held.len() as u64,
            "it claims {claimed} of {}",
            held.len()
        );
    }
    go_live(&bob).await;
    caught_up(&bob).await;
    assert_eq!(device.seqs_on_disk().await, up_to(700));
}

#[tokio::test]
async fn u35_a_device_that_is_ahead_of_the_server_follows_it_and_not_from_zero() {
    let server = TestServer::new();
    let (ada_disk, bob_disk) = (MemoryStore::new(), MemoryStore::new());
    let open = async |server: &TestServer, user: &str, disk: &MemoryStore| {
        let client = server.client(user).store(Arc::new(disk.reopen()));
        let client = client.open().await.unwrap();
        go_live(&client).await;
        client
    };
    let ada = open(&server, "ada", &ada_disk).await;
    made(&ada).await;
    send_many(&ada, 0, 1_100).await;
    let bob = open(&server, "bob", &bob_disk).await;
    caught_up(&bob).await;
    let backup = server.storage().fork(Epoch(2));
    send_many(&ada, 2_000, 30).await;
    caught_up(&bob).await;
    let held = bob_disk.reopen();
    ada.close().await;
    bob.close().await;

    // The server's operator puts yesterday's database back.
    let server = TestServer::over(backup, Default::default());
    let bob = open(&server, "bob", &bob_disk).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let items = shows(&timeline, "what the server has", |items| {
        newest_seq(items) == 1_100
    })
    .await;
    assert_eq!(texts(&items).last().map(String::as_str), Some("message 1099"));
    // The checkpoint is no good any more: a bounded snapshot came, and not everything since the first message.
    let query = MessageQuery {
        cid: CID.parse().unwrap(),
        scope: MessageScope::Channel,
        from: whimbrel::model::HistoryFrom::Newest,
        limit: 100_000,
    };
    let current = held.messages(&query).await.unwrap().messages.len();
    assert!(current < 1_100, "{current} messages were fetched again");
    let ada = open(&server, "ada", &ada_disk).await;
    send_many(&ada, 3_000, 1).await;
    shows(&timeline, "the next one", |items| newest_seq(items) == 1_101).await;
}

#[tokio::test]
async fn u35_a_backup_that_was_put_back_without_a_word_is_noticed() {
    let mut world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    made(&ada).await;
    send_many(&ada, 0, 1_100).await;
    caught_up(&bob).await;
    world.stop_server().await;
    let backup = std::fs::read(world.database()).unwrap();
    world.start_server().await;
    go_live(&ada).await;
    send_many(&ada, 2_000, 30).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    shows(&timeline, "all", |items| newest_seq(items) == 1_130).await;
    // The server's operator puts yesterday's file back, and tells nobody.
    world.stop_server().await;
    std::fs::write(world.database(), backup).unwrap();
    world.start_server().await;
    go_live(&bob).await;
    let items = shows(&timeline, "what the server has", |items| {
        newest_seq(items) == 1_100
    })
    .await;
    assert_eq!(texts(&items).last().map(String::as_str), Some("message 1099"));
    // A bounded snapshot came, and not everything since the first message.
    let edge = timeline.edge();
    assert_ne!(edge, OlderEdge::Start);
    let sent = reef(&ada).send("and on").await.unwrap();
    within("the answer", sent.settled()).await.unwrap();
    shows(&timeline, "the next one", |items| {
        texts(items).last().is_some_and(|text| text == "and on")
    })
    .await;
    drop(device);
}

#[tokio::test]
async fn u36_pages_events_and_history_meet_and_each_message_is_there_once() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    made(&ada).await;
    send_many(&ada, 0, 300).await;
    let (device, bob) = world.online("bob").await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    // Messages arrive live, by catching up and from history, while the link breaks all the time.
    let writing = send_many(&ada, 300, 200);
    let reading = async {
        for round in 0..30 {
            device.link.drop_reply_after(round * 500);
            // It may be offline just now.
            drop(timeline.load_older(20).await);
            go_live(&bob).await;
        }
    };
    within("both", async { tokio::join!(writing, reading) }).await;
    caught_up(&bob).await;
    let items = shows(&timeline, "the last", |items| newest_seq(items) == 500).await;
    let first = seqs(&items)[0];
    assert_eq!(seqs(&items), (first..=500).collect::<Vec<_>>());
    assert!(items.iter().all(|item| !item.gap_before));
    assert_eq!(device.seqs_on_disk().await, up_to(500));
}

#[tokio::test]
async fn u37_a_second_sync_changes_nothing() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let channel = made(&ada).await;
    let (device, bob) = world.online("bob").await;
    caught_up(&bob).await;
    go_offline(&bob).await;
    send_many(&ada, 0, 20).await;
    let items = channel.timeline().await.unwrap().items();
    channel.edit(items[3].id(), "edited").await.unwrap();
    channel.delete(items[4].id()).await.unwrap();
    channel.react(items[5].id(), "👍").await.unwrap();
    settled(&ada).await;
    go_live(&bob).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let (before, mut changes) = timeline.subscribe();
    for _ in 0..3 {
        go_offline(&bob).await;
        go_live(&bob).await;
        caught_up(&bob).await;
    }
    assert!(changes.next().now_or_never().is_none(), "something changed");
    assert_eq!(timeline.items(), before);
    bob.close().await;
    let bob = device.open().await;
    let timeline = reef(&bob).timeline().await.unwrap();
    go_live(&bob).await;
    caught_up(&bob).await;
    assert_eq!(timeline.items(), before);
}

#[tokio::test]
async fn u37_a_channel_that_was_made_while_one_was_away_is_found() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (_device, bob) = world.online("bob").await;
    go_offline(&bob).await;
    made(&ada).await;
    send_many(&ada, 0, 1).await;
    bob.connect().await.unwrap();
    lists(&bob, "the channel", |items| {
        items
            .iter()
            .any(|item| item.cid.as_str() == CID && item.unread == 1)
    })
    .await;
}

#[tokio::test]
async fn u38_cached_messages_stay_until_their_replacement_is_there() {
    let world = World::start().await;
    let (_a, ada) = world.online("ada").await;
    let (device, bob) = world.online("bob").await;
    made(&ada).await;
    send_many(&ada, 0, 30).await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let old = ids(&timeline.items());
    assert_eq!(old.len(), 30);
    go_offline(&bob).await;
    // So far behind that a snapshot replaces what is there; and it does not arrive, again and again.
    send_many(&ada, 30, 1_100).await;
    let holds = |items: &Shown| !items.is_empty();
    for bytes in (0..12).map(|step| step * 1_500) {
        device.link.drop_reply_after(bytes);
        bob.connect().await.unwrap();
        reaches(&bob, "an end", |status| {
            matches!(status, SyncState::BackingOff { .. } | SyncState::Live)
        })
        .await;
        go_offline(&bob).await;
        if newest_seq(&timeline.items()) == 30 {
            assert_eq!(ids(&timeline.items()), old);
        }
        let on_disk = device.seqs_on_disk().await;
        assert!(
            up_to(30).iter().all(|seq| on_disk.contains(seq)),
            "cut before the replacement was there"
        );
    }
    bob.connect().await.unwrap();
    shows_always(&timeline, "the newest", holds, |items| newest_seq(items) == 1_130).await;
    bob.wait_until_caught_up(DEADLINE).await.unwrap();
    assert!(all_sent(&timeline.items()));
}
