//! What may not reach the account costs neither disk nor bandwidth.

use crate::{
    counting::Counting,
    support::{CID, general, go_live, made, online, reaches, settled, texts, within},
};
use std::{sync::Arc, time::Duration};
use whimbrel_client::{Client, OlderEdge, SyncState};
use whimbrel_model::{ConsentState, Timestamp, UserId};
use whimbrel_store::{MemoryStore, StoreReader as _};
use whimbrel_testkit::server::TestServer;

const GRANTED: Duration = Duration::from_secs(25);

/// Bob, live, who follows only these, with what goes over his link and what is on his disk.
async fn bob(server: &TestServer, follow: &[ConsentState]) -> (Client, Counting, MemoryStore) {
    let (counting, store) = (Counting::new(server.connector()), MemoryStore::new());
    let bob = server
        .client("bob")
        .store(Arc::new(store.reopen()))
        .connector("memory:test", Ok(Arc::new(counting.clone())))
        .follow_consent(follow.iter().copied());
    let bob = bob.open().await.unwrap();
    go_live(&bob).await;
    (bob, counting, store)
}

async fn flood(ada: &Client, messages: usize) {
    for number in 0..messages {
        general(ada).send(format!("buy {number}")).await.unwrap();
    }
    settled(ada).await;
}

async fn rows(store: &MemoryStore) -> usize {
    let query = whimbrel_model::MessageQuery {
        cid: CID.parse().unwrap(),
        scope: whimbrel_model::MessageScope::Channel,
        from: whimbrel_model::HistoryFrom::Newest,
        limit: 10_000,
    };
    let members = store.members(&query.cid).await.unwrap().len();
    members + store.messages(&query).await.unwrap().messages.len()
}

#[tokio::test(start_paused = true)]
async fn a_flood_in_a_request_costs_no_row_and_no_frame_and_all_is_there_once_it_is_allowed() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let (bob, counting, store) = bob(&server, &[ConsentState::Allowed]).await;
    made(&ada).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    drop(counting.take());
    flood(&ada, 300).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    let cost = counting.take();
    assert_eq!(cost.channel_events, 0, "{cost:?}");
    assert!(
        cost.frames() <= 4 && cost.bytes() < 1_000,
        "one question and its answer: {cost:?}"
    );
    assert_eq!(rows(&store).await, 0);
    let summary = general(&bob).summary().await.unwrap().unwrap();
    assert!(summary.channel.is_none() && summary.membership.is_some());
    assert_eq!(summary.head_seq, 300, "how much there is, is known");

    let allowed = general(&bob).allow().await.unwrap();
    within("the decision", allowed.settled()).await.unwrap();
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(rows(&store).await, 3 + 300);
    flood(&ada, 1).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert!(counting.take().channel_events >= 1, "and it is followed");
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_is_not_followed_anywhere_and_by_default_on_every_device() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let follow = [ConsentState::Allowed, ConsentState::Unknown];
    let (bob, counting, store) = bob(&server, &follow).await;
    let denied = bob.block_user(UserId::new("ada").unwrap(), None).await.unwrap();
    within("the decision", denied.settled()).await.unwrap();
    drop(counting.take());
    // In a channel that is made after it, not even its beginning comes.
    made(&ada).await;
    flood(&ada, 50).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(rows(&store).await, 0);
    assert!(
        counting.take().channel_events <= 1,
        "one that was under way when the server was told"
    );
    // A new device knows before it pulls anything.
    let second = MemoryStore::new();
    let device = crate::support::open(&server, "bob", &second).await;
    go_live(&device).await;
    assert_eq!(rows(&second).await, 0);
    // It is allowed on one, and comes on both.
    let allowed = bob.unblock_user(UserId::new("ada").unwrap()).await.unwrap();
    within("the decision", allowed.settled()).await.unwrap();
    for (client, store) in [(&bob, &store), (&device, &second)] {
        client.wait_until_caught_up(GRANTED).await.unwrap();
        assert!(rows(store).await >= 20, "the newest of a request");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_by_itself() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let follow = [ConsentState::Allowed, ConsentState::Unknown];
    let (bob, _, store) = bob(&server, &follow).await;
    let until = Timestamp(server.clock().now().0 + 3_600_000);
    let denied = bob
        .block_user(UserId::new("ada").unwrap(), Some(until))
        .await
        .unwrap();
    within("the decision", denied.settled()).await.unwrap();
    made(&ada).await;
    flood(&ada, 5).await;
    tokio::time::sleep(Duration::from_secs(3_500)).await; // tidy: allow sleep: tokio's own time, paused
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(rows(&store).await, 0);
    tokio::time::sleep(Duration::from_secs(110)).await; // tidy: allow sleep: tokio's own time, paused
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(rows(&store).await, 3 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_fetched_on_demand_with_its_newest_messages_and_no_more() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    made(&ada).await;
    flood(&ada, 300).await;
    let (bob, _, store) = bob(&server, &[ConsentState::Allowed]).await;
    let summary = bob.sync_all(&[ConsentState::Unknown]).await.unwrap();
    assert_eq!((summary.eligible, summary.synced), (1, 1));
    assert_eq!(rows(&store).await, 3 + 20);
    let again = bob.sync_all(&[ConsentState::Unknown]).await.unwrap();
    assert_eq!((again.eligible, again.synced), (1, 0));
    // Older ones load as of any channel, also before it is allowed.
    let timeline = general(&bob).timeline().await.unwrap();
    assert_eq!(texts(&timeline.items()).len(), 20);
    assert_ne!(timeline.edge(), OlderEdge::Start);
    within("older ones", timeline.load_older(50)).await.unwrap();
    assert_eq!(texts(&timeline.items()).len(), 70);
}

#[tokio::test(start_paused = true)]
async fn the_cap_holds_for_what_came_while_the_device_was_away_and_ends_with_the_decision() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let follow = [ConsentState::Allowed, ConsentState::Unknown];
    let (bob, counting, store) = bob(&server, &follow).await;
    made(&ada).await;
    flood(&ada, 5).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(rows(&store).await, 3 + 5);
    bob.disconnect().await.unwrap();
    reaches(&bob, |status| *status == SyncState::Offline).await;
    flood(&ada, 200).await;
    drop(counting.take());
    go_live(&bob).await;
    assert_eq!(rows(&store).await, 3 + 5 + 20, "{:?}", counting.take());
    assert_eq!(
        general(&bob)
            .gaps()
            .await
            .unwrap()
            .iter()
            .filter(|gap| !gap.stale)
            .count(),
        1
    );
    // Writing in it is an answer: what lies between is filled as in any channel.
    general(&bob).send("who are you?").await.unwrap();
    settled(&bob).await;
    within("the gap", async {
        while rows(&store).await < 3 + 206 {
            tokio::time::sleep(Duration::from_secs(1)).await; // tidy: allow sleep: tokio's own time, paused
        }
    })
    .await;
    drop(reaches(&bob, |status| *status == SyncState::Live).await);
}
