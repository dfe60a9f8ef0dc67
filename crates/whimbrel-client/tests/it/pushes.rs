//! What a push leads to, and what the system says of the network.

use crate::{
    counting::Counting,
    support::{CID, general, go_live, made, online, open, reaches, settled, within},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use whimbrel_client::{Client, ClientBuilder, Network, PushKind, PushPayload, Pushed, SyncState};
use whimbrel_model::{ConsentState, Message, MessageId, UserId};
use whimbrel_store::{MemoryStore, StoreReader as _};
use whimbrel_testkit::server::TestServer;

const GRANTED: Duration = Duration::from_secs(25);

fn push(user: &str, message: Option<MessageId>, seq: u64) -> PushPayload {
    PushPayload {
        user: UserId::new(user).unwrap(),
        kind: PushKind::Message,
        cid: CID.parse().unwrap(),
        message,
        seq,
    }
}

fn counted(server: &TestServer) -> (ClientBuilder, Counting) {
    let counting = Counting::new(server.connector());
    let bob = server
        .client("bob")
        .connector("memory:test", Ok(Arc::new(counting.clone())));
    (bob, counting)
}

async fn say(ada: &Client, text: &str) -> MessageId {
    let sent = general(ada).send(text).await.unwrap();
    let id = sent.id;
    settled(ada).await;
    id
}

fn shown(pushed: &Pushed) -> Vec<&str> {
    pushed
        .to_show()
        .iter()
        .map(|message: &Message| message.body.text.as_str())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_channel_comes_first_and_what_is_new_is_shown_once() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    say(&ada, "one").await;
    let (bob, counting) = counted(&server);
    let bob = bob.open().await.unwrap();
    bob.sync_once(GRANTED).await.unwrap();
    let two = say(&ada, "two").await;
    general(&bob).send("from bob").await.unwrap();
    drop(counting.take());

    let pushed = bob.on_push(&push("bob", Some(two), 2), GRANTED).await.unwrap();
    assert_eq!(shown(&pushed), ["two"]);
    assert!(pushed.is_up_to_date && !pushed.is_muted);
    assert_eq!(pushed.consent, ConsentState::Allowed, "bob wrote in it");
    let rest = pushed.rest.unwrap();
    assert_eq!((rest.sent, rest.caught_up, rest.left.queued), (1, true, 0));
    reaches(&bob, |status| *status == SyncState::Offline).await;
    // Repeated, it shows what is not read, until it is read somewhere.
    assert_eq!(
        shown(&bob.on_push(&push("bob", Some(two), 2), GRANTED).await.unwrap()),
        ["two"]
    );
    let other = online(&server, "bob").await;
    general(&other).mark_read().await.unwrap();
    settled(&other).await;
    let read = PushPayload {
        kind: PushKind::Read,
        ..push("bob", None, 2)
    };
    let pushed = bob.on_push(&read, GRANTED).await.unwrap();
    assert_eq!((shown(&pushed).len(), pushed.read), (0, 3));
    let unknown = PushPayload {
        kind: PushKind::Other("poll_closed".to_owned()),
        ..push("bob", None, 0)
    };
    assert!(bob.on_push(&unknown, GRANTED).await.unwrap().is_up_to_date);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_of_what_is_muted_and_nothing_comes_of_what_is_denied() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let (bob, counting) = counted(&server);
    let bob = bob.open().await.unwrap();
    general(&bob).mute(None).await.unwrap();
    bob.sync_once(GRANTED).await.unwrap();
    let message = say(&ada, "hello").await;
    let pushed = bob
        .on_push(&push("bob", Some(message), 1), GRANTED)
        .await
        .unwrap();
    assert!(pushed.is_muted && pushed.messages.len() == 1 && shown(&pushed).is_empty());

    general(&bob).deny().await.unwrap();
    bob.sync_once(GRANTED).await.unwrap();
    let message = say(&ada, "hello?").await;
    drop(counting.take());
    let pushed = bob
        .on_push(&push("bob", Some(message), 2), GRANTED)
        .await
        .unwrap();
    assert_eq!(pushed.consent, ConsentState::Denied);
    assert!(pushed.messages.is_empty() && !pushed.is_up_to_date);
    let counts = counting.take();
    assert_eq!(
        counts.sent.get("sync").map_or(0, |(frames, _)| *frames),
        1,
        "the own stream only: {counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_push_can_be_for_its_channel_only_and_is_for_its_account_only() {
    let server = TestServer::new();
    let store = MemoryStore::new();
    let ada = open(&server, "ada", &store).await;
    go_live(&ada).await;
    made(&ada).await;
    let other = ada.channel("messaging:other").unwrap();
    other.create("Other", ["bob"]).await.unwrap();
    other.send("not now").await.unwrap();
    let message = say(&ada, "hello").await;
    let (bob, _) = counted(&server);
    let bob = bob.background_sync(false).open().await.unwrap();
    let pushed = bob
        .on_push(&push("bob", Some(message), 1), GRANTED)
        .await
        .unwrap();
    assert_eq!((shown(&pushed), &pushed.rest), (vec!["hello"], &None));
    let other = bob.channel("messaging:other").unwrap().timeline().await.unwrap();
    assert!(other.items().is_empty());
    // Whoever wrote knows that it is here.
    ada.wait_until_caught_up(GRANTED).await.unwrap();
    let delivered = store.delivered(&CID.parse().unwrap()).await.unwrap();
    let of_bob = delivered.iter().find(|row| row.user == *bob.user());
    assert_eq!(of_bob.map(|row| row.seq), Some(1), "{delivered:?}");
    let error = bob
        .on_push(&push("carol", Some(message), 1), GRANTED)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("wrong_account".to_owned(), false)
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_what_is_here_is_shown_and_the_deadline_holds() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let message = say(&ada, "hello").await;
    let bob = server.client("bob").open().await.unwrap();
    bob.sync_once(GRANTED).await.unwrap();
    server.stop().await;
    let begun = Instant::now();
    let pushed = bob
        .on_push(&push("bob", Some(message), 1), GRANTED)
        .await
        .unwrap();
    assert_eq!((shown(&pushed), pushed.is_up_to_date), (vec!["hello"], false));
    assert!(!pushed.rest.unwrap().caught_up);
    assert!(begun.elapsed() <= GRANTED + Duration::from_secs(1));
    assert_eq!(bob.status(), SyncState::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_back_ends_the_wait_at_once() {
    let server = TestServer::new();
    let config = whimbrel_client::EngineConfig::default();
    let ada = server.client("ada").engine(config).open().await.unwrap();
    server.stop().await;
    ada.connect().await.unwrap();
    // Until it waits for long.
    let waits = |status: &SyncState| matches!(status, SyncState::BackingOff { retry_in_ms, .. } if *retry_in_ms > 5_000);
    within("a long wait", async { reaches_slowly(&ada, waits).await }).await;
    assert_eq!(ada.network(), Network::Unknown);
    ada.set_network(Network::Offline).await.unwrap();
    assert!(
        matches!(ada.status(), SyncState::BackingOff { .. }),
        "beside the status"
    );
    server.start();
    let mut watch = ada.watch_network();
    let begun = Instant::now();
    ada.set_network(Network::Online).await.unwrap();
    assert_eq!(watch.next().await, Some(Network::Online));
    reaches(&ada, |status| *status == SyncState::Live).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

async fn reaches_slowly(client: &Client, wanted: impl Fn(&SyncState) -> bool) {
    let mut watch = client.watch_status();
    let mut status = watch.get();
    while !wanted(&status) {
        status = watch.next().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_none_any_more_is_found_out_soon_after_the_network_has_changed() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    go_live(&ada).await;
    // A network that is well: nothing happens.
    ada.set_network(Network::Online).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await; // tidy: allow sleep: tokio's own time, paused
    assert_eq!(ada.status(), SyncState::Live);
    server.network().stall();
    let begun = Instant::now();
    ada.set_network(Network::Offline).await.unwrap();
    reaches(&ada, |status| *status != SyncState::Live).await;
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_resume_after_a_short_drop_costs_a_few_frames_whatever_the_account_has() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    for number in 0..100 {
        let channel = ada.channel(format!("messaging:room-{number}")).unwrap();
        channel.create("A room", ["bob"]).await.unwrap();
        channel.send("hello").await.unwrap();
    }
    settled(&ada).await;
    let (bob, counting) = counted(&server);
    let bob = bob.open().await.unwrap();
    go_live(&bob).await;
    // With all that a device does the first time.
    bob.sync_once(GRANTED).await.unwrap();
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    drop(counting.take());
    go_live(&bob).await;
    let nothing = counting.take();
    bob.sync_once(GRANTED).await.unwrap();
    assert!(nothing.frames() <= 6 && nothing.bytes() < 1_500, "{nothing:?}");
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    ada.channel("messaging:room-7")
        .unwrap()
        .send("new")
        .await
        .unwrap();
    settled(&ada).await;
    drop(counting.take());
    go_live(&bob).await;
    let one = counting.take();
    assert!(one.frames() <= 12 && one.bytes() < 4_000, "{one:?}");
}
