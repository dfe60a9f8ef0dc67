//! Windows in the past: around a message or a time, read on in both directions.

use crate::support::{general, go_live, made, online, settled, shows, texts, uncapped, within};
use std::sync::Arc;
use whimbrel_client::{
    Channel, Client, EngineConfig, Items, NewMessage, NewerEdge, OlderEdge, Timeline, TimelineItem,
};
use whimbrel_model::{MessageId, Timestamp, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

/// So many that who has none of them gets a snapshot.
const MANY: u64 = limits::SNAPSHOT_AFTER + 10;

fn seqs(items: &Items<TimelineItem>) -> Vec<u64> {
    items.iter().map(|item| item.view.message.seq).collect()
}

fn is_whole(items: &Items<TimelineItem>) -> bool {
    let seqs = seqs(items);
    items.iter().all(|item| !item.gap_before) && seqs.windows(2).all(|pair| pair[0] + 1 == pair[1])
}

/// Sends messages, and returns their ids.
async fn send_many(ada: &Client, count: u64) -> Vec<MessageId> {
    let channel = general(ada);
    let mut sent = Vec::new();
    for number in 0..count {
        sent.push(channel.send(format!("message {number}")).await.unwrap().id);
    }
    settled(ada).await;
    sent
}

/// A server with many messages in the channel, and their ids.
async fn busy() -> (TestServer, Client, Vec<MessageId>) {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let sent = send_many(&ada, MANY).await;
    (server, ada, sent)
}

/// Opens a client that fills no gap by itself.
async fn open_quiet(server: &TestServer, user: &str, store: &MemoryStore) -> Client {
    let config = EngineConfig {
        fill_messages: 0,
        ..EngineConfig::default()
    };
    let store = Arc::new(store.reopen());
    let builder = uncapped(server, user).store(store).engine(config);
    builder.open().await.unwrap()
}

/// Waits until the channel is on the device, and returns it.
async fn general_here(client: &Client) -> Channel {
    let timeline = general(client).timeline().await.unwrap();
    shows(&timeline, "the newest messages", |items| items.len() >= 50).await;
    general(client)
}

/// Returns when the server accepted a message that is on a device.
async fn time_of(client: &Client, id: MessageId) -> Timestamp {
    client.message(id).await.unwrap().unwrap().accepted_at.unwrap()
}

#[tokio::test]
async fn a_message_of_long_ago_is_shown_with_what_is_around_it_and_new_ones_are_not() {
    let (server, ada, sent) = busy().await;
    let bob = online(&server, "bob").await;
    let channel = general_here(&bob).await;
    let wanted = sent[299];
    assert!(bob.message(wanted).await.unwrap().is_none(), "it is not here yet");
    let timeline = channel.timeline_around(wanted).await.unwrap();
    let items = timeline.items();
    assert_eq!(seqs(&items), (275..=324).collect::<Vec<_>>());
    assert!(is_whole(&items));
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    assert_eq!(timeline.newer_edge(), NewerEdge::OnDisk);
    assert!(!timeline.is_at_newest());

    let newest = channel.timeline().await.unwrap();
    general(&ada).send("hello").await.unwrap();
    let own = channel.send("mine").await.unwrap();
    within("the own message", own.settled()).await.unwrap();
    shows(&newest, "both", |items| {
        texts(items).ends_with(&["hello".to_owned(), "mine".to_owned()])
    })
    .await;
    assert_eq!(timeline.items(), items, "what is new does not stand here");
}

#[tokio::test]
async fn a_window_in_the_past_is_read_on_until_it_is_at_the_newest() {
    let (server, ada, sent) = busy().await;
    let bob = online(&server, "bob").await;
    let channel = general_here(&bob).await;
    let wanted = sent[299];
    let timeline = channel.timeline_around(wanted).await.unwrap();
    timeline.load_older(40).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (235..=324).collect::<Vec<_>>());
    let mut rounds = 0;
    while !timeline.is_at_newest() {
        timeline.load_newer(200).await.unwrap();
        assert!(
            is_whole(&timeline.items()),
            "a gap is fetched before what lies beyond"
        );
        rounds += 1;
        assert!(rounds < 20, "it does not come to the newest");
    }
    assert_eq!(seqs(&timeline.items()), (235..=MANY).collect::<Vec<_>>());
    timeline.load_newer(200).await.unwrap();
    general(&ada).send("hello").await.unwrap();
    let items = shows(&timeline, "what is new", |items| {
        texts(items).last().is_some_and(|text| text == "hello")
    })
    .await;
    assert!(is_whole(&items));
}

#[tokio::test]
async fn one_may_jump_to_a_message_and_back_to_the_newest() {
    let (server, _ada, sent) = busy().await;
    let bob = open_quiet(&server, "bob", &MemoryStore::new()).await;
    go_live(&bob).await;
    let channel = general_here(&bob).await;
    let timeline = channel.timeline().await.unwrap();
    assert!(timeline.is_at_newest());
    let wanted = sent[19];
    timeline.jump_to(wanted).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (1..=44).collect::<Vec<_>>());
    assert_eq!(timeline.edge(), OlderEdge::Start);
    // What waits stands after the newest, which is not here.
    bob.disconnect().await.unwrap();
    channel.send("later").await.unwrap();
    assert_eq!(timeline.items().len(), 44);
    timeline.jump_to_newest().await.unwrap();
    assert!(timeline.is_at_newest());
    let items = timeline.items();
    assert_eq!(texts(&items).last().unwrap(), "later");
    assert_eq!(items.len(), 51);
    assert_eq!(
        timeline.edge(),
        OlderEdge::OnServer,
        "a gap lies right before the first row"
    );
}

#[tokio::test]
async fn a_time_is_a_place_too() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    send_many(&ada, 600).await;
    let now = server.clock().now();
    server.clock().set(Timestamp(now.0 + 3_600_000));
    let sent = send_many(&ada, MANY - 600).await;
    let later = time_of(&ada, sent[0]).await;
    let bob = online(&server, "bob").await;
    let channel = general_here(&bob).await;
    let timeline = channel.timeline_at(later).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (576..=625).collect::<Vec<_>>());
    let again = channel.timeline_at(later).await.unwrap();
    assert_eq!(
        seqs(&again.items()),
        (576..=625).collect::<Vec<_>>(),
        "from disk now"
    );
    timeline.jump_to_time(Timestamp(0)).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (1..=25).collect::<Vec<_>>());
    timeline.jump_to_time(Timestamp(later.0 * 2)).await.unwrap();
    assert!(timeline.is_at_newest());
    assert_eq!(seqs(&timeline.items()).last(), Some(&MANY));
}

#[tokio::test]
async fn offline_a_place_on_disk_is_shown_with_its_gaps_and_another_is_an_error() {
    let (server, ada, sent) = busy().await;
    let disk = MemoryStore::new();
    let bob = open_quiet(&server, "bob", &disk).await;
    go_live(&bob).await;
    let channel = general_here(&bob).await;
    let wanted = sent[299];
    let time = time_of(&ada, wanted).await;
    channel.timeline_around(wanted).await.unwrap();
    bob.close().await;

    let bob = open_quiet(&server, "bob", &disk).await;
    let channel = general(&bob);
    let timeline = channel.timeline_around(wanted).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (275..=324).collect::<Vec<_>>());
    timeline.load_newer(200).await.unwrap();
    assert_eq!(timeline.newer_edge(), NewerEdge::OnServer);
    // Beyond the gap there are the newest ones.
    timeline.load_newer(200).await.unwrap();
    let items = timeline.items();
    assert_eq!(seqs(&items).last(), Some(&MANY));
    assert_eq!(items.iter().filter(|item| item.gap_before).count(), 1);
    assert!(timeline.is_at_newest());
    assert!(!channel.timeline_at(time).await.unwrap().items().is_empty());

    let far = sent[699];
    let error = channel.timeline_around(far).await.unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_retryable()),
        ("not_connected", true)
    );
    go_live(&bob).await;
    let error = channel
        .timeline_around(MessageId(bob.device().0))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_retryable()),
        ("message_not_found", false)
    );
    let timeline = channel.timeline_around(far).await.unwrap();
    assert!(seqs(&timeline.items()).contains(&700));
}

#[tokio::test]
async fn a_thread_has_windows_too() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let parent = channel.send("what do you think?").await.unwrap().id;
    let mut replies = Vec::new();
    for number in 0..120 {
        let reply = NewMessage::from(format!("reply {number}"));
        replies.push(channel.reply(parent, reply).await.unwrap().id);
    }
    settled(&ada).await;
    let thread = channel.thread_around(parent, replies[40]).await.unwrap();
    assert_eq!(texts(&thread.items())[0], "reply 15");
    assert_eq!(thread.items().len(), 50);
    assert!(!thread.is_at_newest());
    thread.load_newer(100).await.unwrap();
    assert!(thread.is_at_newest());
    channel.reply(parent, "one more").await.unwrap();
    shows(&thread, "the new reply", |items| {
        texts(items).last().is_some_and(|text| text == "one more")
    })
    .await;
    thread.load_older(100).await.unwrap();
    assert_eq!(thread.items().len(), 121);
}

#[tokio::test]
async fn a_window_has_the_rows_of_its_channel_type_and_the_disk_has_all() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let bob = uncapped(&server, "bob")
        .window("messaging", 20)
        .open()
        .await
        .unwrap();
    go_live(&bob).await;
    let timeline: Timeline = general(&bob).timeline().await.unwrap();
    send_many(&ada, 200).await;
    let items = shows(&timeline, "the newest message", |items| {
        seqs(items).last() == Some(&200)
    })
    .await;
    assert!((20..=50).contains(&items.len()), "{} rows", items.len());
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    timeline.load_older(200).await.unwrap();
    assert_eq!(seqs(&timeline.items()), (1..=200).collect::<Vec<_>>());
    timeline.jump_to_newest().await.unwrap();
    assert_eq!(seqs(&timeline.items()), (181..=200).collect::<Vec<_>>());
}
