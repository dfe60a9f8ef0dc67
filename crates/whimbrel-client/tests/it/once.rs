//! Syncing once, as in the time that a system grants in the background.

use crate::support::{CID, general, made, online, reaches, settled, texts};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::Instant;
use whimbrel_client::{LogoutOptions, SyncState};
use whimbrel_testkit::server::TestServer;

const GRANTED: Duration = Duration::from_secs(25);

#[tokio::test(start_paused = true)]
async fn everything_is_sent_and_received_and_then_it_is_offline_again() {
    let server = TestServer::new();
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    made(&ada).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    bob.disconnect().await.unwrap();
    let timeline = general(&bob).timeline().await.unwrap();
    general(&ada).send("from ada").await.unwrap();
    settled(&ada).await;
    general(&bob).send("one").await.unwrap();
    general(&bob).send("two").await.unwrap();
    bob.channel("messaging:not-there")
        .unwrap()
        .send("to nobody")
        .await
        .unwrap();

    let summary = bob.sync_once(GRANTED).await.unwrap();
    assert_eq!((summary.sent, summary.rejected, summary.caught_up), (2, 1, true));
    assert_eq!((summary.left.queued, summary.left.rejected), (0, 1));
    let general = format!("C:{CID}").parse().unwrap();
    assert!(summary.received.contains(&general), "{:?}", summary.received);
    assert_eq!(texts(&timeline.items()), ["from ada", "one", "two"]);
    assert_eq!(bob.status(), SyncState::Offline);

    let summary = bob.sync_once(GRANTED).await.unwrap();
    assert_eq!((summary.sent, summary.rejected, summary.caught_up), (0, 0, true));
    assert!(summary.received.is_empty(), "{:?}", summary.received);
}

#[tokio::test(start_paused = true)]
async fn who_is_connected_stays_so() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    assert!(ada.sync_once(GRANTED).await.unwrap().caught_up);
    assert_eq!(ada.status(), SyncState::Live);
    // And who connects meanwhile.
    ada.disconnect().await.unwrap();
    let mut once = Box::pin(ada.sync_once(GRANTED));
    assert!(once.as_mut().now_or_never().is_none());
    ada.connect().await.unwrap();
    assert!(once.await.unwrap().caught_up);
    reaches(&ada, |status| *status == SyncState::Live).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_what_is_left_is_said() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    server.stop().await;
    general(&ada).create("General", ["bob"]).await.unwrap();
    let begun = Instant::now();
    let summary = ada.sync_once(GRANTED).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), GRANTED.as_secs());
    assert_eq!(
        (summary.sent, summary.caught_up, summary.left.queued),
        (0, false, 1)
    );
    assert!(
        !matches!(summary.status, SyncState::Offline),
        "{:?}",
        summary.status
    );
    assert_eq!(ada.status(), SyncState::Offline);
    let none = ada.sync_once(Duration::ZERO).await.unwrap();
    assert_eq!((none.caught_up, ada.status()), (false, SyncState::Offline));

    server.start();
    let summary = ada.sync_once(GRANTED).await.unwrap();
    assert_eq!(
        (summary.sent, summary.caught_up, summary.left.queued),
        (2, true, 0),
        "the channel, and that this device is one of the account's"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_is_given_up_disconnects_too() {
    let server = TestServer::new();
    let ada = server.client("ada").open().await.unwrap();
    for polls in 0..8 {
        {
            let mut once = Box::pin(ada.sync_once(GRANTED));
            for _ in 0..polls {
                if once.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Answered after what was begun before.
        ada.explain(no_operation()).await.unwrap();
        reaches(&ada, |status| *status == SyncState::Offline).await;
    }
    // Two at a time: the first that ends leaves the other its connection.
    let mut given_up = Box::pin(ada.sync_once(GRANTED));
    assert!(given_up.as_mut().now_or_never().is_none());
    let mut other = Box::pin(ada.sync_once(GRANTED));
    assert!(other.as_mut().now_or_never().is_none());
    drop(given_up);
    assert!(other.await.unwrap().caught_up);
    assert_eq!(ada.status(), SyncState::Offline);
}

fn no_operation() -> whimbrel_model::OpId {
    whimbrel_model::OpId(uuid::Uuid::from_u128(7))
}

#[tokio::test(start_paused = true)]
async fn it_ends_early_where_waiting_does_not_help() {
    let server = TestServer::new();
    server.revoke("user:ada");
    let ada = server.client("ada").token("user:ada").open().await.unwrap();
    general(&ada).send("waits").await.unwrap();
    let begun = Instant::now();
    let summary = ada.sync_once(GRANTED).await.unwrap();
    assert!(
        matches!(summary.status, SyncState::NeedsAuth { .. }),
        "{:?}",
        summary.status
    );
    assert!(begun.elapsed() < GRANTED);
    assert_eq!((summary.caught_up, summary.left.queued), (false, 1));

    server.permit("user:ada");
    let ada = server.client("ada").open().await.unwrap();
    server.stop().await;
    let begun = Instant::now();
    let mut once = Box::pin(ada.sync_once(GRANTED));
    assert!(once.as_mut().now_or_never().is_none());
    ada.disconnect().await.unwrap();
    let summary = once.await.unwrap();
    assert_eq!((summary.caught_up, summary.status), (false, SyncState::Offline));
    let mut once = Box::pin(ada.sync_once(GRANTED));
    assert!(once.as_mut().now_or_never().is_none());
    ada.suspend().await.unwrap();
    assert_eq!(once.await.unwrap_err().code(), "suspended");
    assert_eq!(ada.sync_once(GRANTED).await.unwrap_err().code(), "suspended");
    ada.resume().await.unwrap();
    assert_eq!(ada.status(), SyncState::Offline);
    assert!(begun.elapsed() < GRANTED);
    let discard = LogoutOptions::default().discard_unsent();
    ada.logout(discard).await.unwrap();
    assert_eq!(ada.sync_once(GRANTED).await.unwrap_err().code(), "client_closed");
}
