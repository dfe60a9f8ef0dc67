//! What lies before the newest messages.

use crate::support::{all_sent, general, go_live, made, online, open, settled, shows, uncapped, within};
use std::time::Duration;
use whimbrel_client::{Client, EngineConfig, Items, OlderEdge, Timeline, TimelineItem};
use whimbrel_model::{Gap, limits};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

/// So many that who has none of them gets a snapshot.
const MANY: u64 = limits::SNAPSHOT_AFTER + 10;

async fn send_many(ada: &Client, count: u64) {
    let channel = general(ada);
    for number in 0..count {
        channel.send(format!("message {number}")).await.unwrap();
    }
    settled(ada).await;
}

fn seqs(items: &Items<TimelineItem>) -> Vec<u64> {
    items.iter().map(|item| item.view.message.seq).collect()
}

fn newest(items: &Items<TimelineItem>) -> u64 {
    items.last().map_or(0, |item| item.view.message.seq)
}

/// A server with many messages in the channel.
async fn busy() -> (TestServer, Client) {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    send_many(&ada, MANY).await;
    (server, ada)
}

async fn opened(client: &Client) -> Timeline {
    let timeline = general(client).timeline().await.unwrap();
    shows(&timeline, "the newest message", |items| newest(items) == MANY).await;
    timeline
}

#[tokio::test]
async fn a_new_device_begins_with_the_newest_and_loads_older_from_the_server() {
    let (server, _ada) = busy().await;
    let bob = online(&server, "bob").await;
    let timeline = opened(&bob).await;
    let window = limits::SNAPSHOT_MESSAGES as u64;
    assert_eq!(
        seqs(&timeline.items()),
        (MANY - window + 1..=MANY).collect::<Vec<_>>()
    );
    assert_eq!(timeline.edge(), OlderEdge::OnServer);
    timeline.load_older(30).await.unwrap();
    let items = timeline.items();
    assert_eq!(seqs(&items), (MANY - window - 29..=MANY).collect::<Vec<_>>());
    assert!(items.iter().all(|item| !item.gap_before));
}

/// A client that fills no gap by itself.
async fn on_demand(server: &TestServer, user: &str) -> Client {
    let config = EngineConfig {
        fill_messages: 0,
        ..EngineConfig::default()
    };
    let client = uncapped(server, user).engine(config).open().await.unwrap();
    go_live(&client).await;
    client
}

#[tokio::test]
async fn all_the_way_to_the_beginning() {
    let (server, _ada) = busy().await;
    let bob = online(&server, "bob").await;
    let timeline = opened(&bob).await;
    for _ in 0..20 {
        if timeline.edge() == OlderEdge::Start {
            break;
        }
        timeline.load_older(200).await.unwrap();
    }
    assert_eq!(seqs(&timeline.items()), (1..=MANY).collect::<Vec<_>>());
    timeline.load_older(200).await.unwrap();
    assert_eq!(
        timeline.items().len() as u64,
        MANY,
        "there is nothing before the first"
    );
}

#[tokio::test]
async fn offline_older_messages_come_from_disk_and_then_an_error_says_why_not() {
    let (server, _ada) = busy().await;
    let disk = MemoryStore::new();
    let bob = open(&server, "bob", &disk).await;
    go_live(&bob).await;
    opened(&bob).await.load_older(100).await.unwrap();
    bob.close().await;

    let bob = open(&server, "bob", &disk).await;
    let timeline = opened(&bob).await;
    assert_eq!(timeline.items().len(), 50);
    assert_eq!(timeline.edge(), OlderEdge::OnDisk);
    timeline.load_older(200).await.unwrap();
    assert_eq!(timeline.items().len(), 150);
    let error = timeline.load_older(10).await.unwrap_err();
    assert_eq!(error.code(), "not_connected");
    assert!(error.is_retryable());
    assert_eq!(timeline.items().len(), 150);
    go_live(&bob).await;
    timeline.load_older(10).await.unwrap();
    assert_eq!(timeline.items().len(), 160);
}

#[tokio::test]
async fn a_jump_over_missed_messages_is_shown_as_a_gap_and_can_be_filled() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    send_many(&ada, 10).await;
    let bob = on_demand(&server, "bob").await;
    let timeline = general(&bob).timeline().await.unwrap();
    shows(&timeline, "ten messages", |items| items.len() == 10).await;
    bob.disconnect().await.unwrap();
    send_many(&ada, MANY).await;
    go_live(&bob).await;
    let all = MANY + 10;
    let items = shows(&timeline, "the newest message", |items| newest(items) == all).await;
    let gaps = items.iter().filter(|item| item.gap_before);
    let gaps: Vec<_> = gaps.map(|item| item.view.message.seq).collect();
    let first = all - limits::SNAPSHOT_MESSAGES as u64 + 1;
    assert_eq!(gaps, [first]);
    assert_eq!(seqs(&items), (1..=10).chain(first..=all).collect::<Vec<_>>());
    // Filled from the newer side.
    for _ in 0..20 {
        timeline.load_older(200).await.unwrap();
    }
    let items = timeline.items();
    assert!(items.iter().all(|item| !item.gap_before));
    assert_eq!(seqs(&items), (1..=all).collect::<Vec<_>>());
    assert!(all_sent(&items));
}

#[tokio::test]
async fn an_edit_in_what_was_loaded_from_the_server_arrives() {
    let (server, ada) = busy().await;
    let bob = online(&server, "bob").await;
    let timeline = opened(&bob).await;
    timeline.load_older(30).await.unwrap();
    let oldest = timeline.items()[0].id();
    general(&ada).edit(oldest, "edited").await.unwrap();
    shows(&timeline, "the edit", |items| {
        items[0].view.message.body.text == "edited"
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_tells_whoever_waits_for_older_messages() {
    let (server, _ada) = busy().await;
    let bob = online(&server, "bob").await;
    let timeline = opened(&bob).await;
    let (loaded, ()) = tokio::join!(timeline.load_older(30), async { server.network().cut() });
    match loaded {
        Ok(()) => assert_eq!(timeline.items().len(), 80),
        Err(error) => assert_eq!(error.code(), "not_connected"),
    }
}

#[tokio::test]
async fn offline_a_gap_stays_marked_and_the_call_says_why() {
    let (server, ada) = busy().await;
    let bob = on_demand(&server, "bob").await;
    let timeline = opened(&bob).await;
    bob.disconnect().await.unwrap();
    send_many(&ada, MANY).await;
    go_live(&bob).await;
    shows(&timeline, "a gap", |items| {
        items.iter().any(|item| item.gap_before)
    })
    .await;
    bob.disconnect().await.unwrap();
    let before = timeline.items();
    assert_eq!(timeline.load_older(10).await.unwrap_err().code(), "not_connected");
    assert_eq!(timeline.items(), before);
}

#[tokio::test]
async fn a_gap_is_filled_in_the_background() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    send_many(&ada, 10).await;
    let bob = online(&server, "bob").await;
    let timeline = general(&bob).timeline().await.unwrap();
    shows(&timeline, "ten messages", |items| items.len() == 10).await;
    bob.disconnect().await.unwrap();
    send_many(&ada, MANY).await;
    go_live(&bob).await;
    let all = MANY + 10;
    let items = shows(&timeline, "the newest messages", |items| {
        newest(items) == all && items.len() > 400 && items.iter().all(|item| !item.gap_before)
    })
    .await;
    assert_eq!(seqs(&items).last(), Some(&all));
    let channel = general(&bob);
    // What was there before is older than the newest thousand: it is fetched again when it is shown.
    let stale = Gap {
        lo: 1,
        hi: 10,
        stale: true,
    };
    within("the holes to be filled", async {
        while channel.gaps().await.unwrap() != [stale] {}
    })
    .await;
}

#[tokio::test]
async fn a_gap_is_told_of_and_filled_on_demand() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    send_many(&ada, 10).await;
    let bob = on_demand(&server, "bob").await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    bob.disconnect().await.unwrap();
    send_many(&ada, MANY).await;
    go_live(&bob).await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    let channel = general(&bob);
    let first = MANY + 10 - limits::SNAPSHOT_MESSAGES as u64 + 1;
    let stale = Gap {
        lo: 1,
        hi: 10,
        stale: true,
    };
    let missing = Gap {
        lo: 11,
        hi: first - 1,
        stale: false,
    };
    assert_eq!(channel.gaps().await.unwrap(), [stale, missing]);
    channel.fill_gap(missing, 100).await.unwrap();
    let left = Gap {
        hi: missing.hi - 100,
        ..missing
    };
    assert_eq!(channel.gaps().await.unwrap(), [stale, left]);
    channel.fill_gap(stale, 200).await.unwrap();
    assert_eq!(channel.gaps().await.unwrap(), [left]);
    bob.disconnect().await.unwrap();
    let error = channel.fill_gap(left, 100).await.unwrap_err();
    assert_eq!(error.code(), "not_connected");
}

#[tokio::test]
async fn a_gap_that_nobody_can_have_is_not_asked_for() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    let channel = general(&ada);
    let fill = |lo, hi| channel.fill_gap(Gap { lo, hi, stale: false }, 10);
    for (lo, hi) in [
        (limits::NUMBER, limits::NUMBER),
        (1, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        let error = fill(lo, hi).await.unwrap_err();
        assert_eq!(error.code(), "invalid");
        assert!(error.to_string().contains(&hi.to_string()), "{error}");
    }
    // What lies within the numbers and holds no message is asked for, and there is nothing.
    fill(1, limits::NUMBER - 1).await.unwrap();
    ada.disconnect().await.unwrap();
    assert_eq!(fill(1, 5).await.unwrap_err().code(), "not_connected");
    for (lo, hi) in [(5, 4), (1, 0), (0, 0), (u64::MAX, 1)] {
        fill(lo, hi).await.unwrap();
    }
}
