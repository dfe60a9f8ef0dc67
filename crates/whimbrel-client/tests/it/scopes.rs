//! Syncing by hand: one channel, new channels, preferences, everything of a consent.

use crate::{
    counting::Counting,
    support::{CID, general, go_live, made, online, reaches, settled, texts, within},
};
use futures_util::FutureExt as _;
use std::{sync::Arc, time::Duration};
use whimbrel_client::{Client, SyncState, SyncSummary};
use whimbrel_model::{ConsentState, UserId};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

const GRANTED: Duration = Duration::from_secs(25);

/// Bob, who was never connected, and is in three channels of ada's with a message each.
async fn behind(server: &TestServer) -> (Client, Client, Counting) {
    let ada = online(server, "ada").await;
    made(&ada).await;
    for name in ["one", "two"] {
        let channel = ada.channel(format!("messaging:{name}")).unwrap();
        channel.create(name, ["bob"]).await.unwrap();
        channel.send("hello").await.unwrap();
    }
    general(&ada).send("hello").await.unwrap();
    settled(&ada).await;
    let counting = Counting::new(server.connector());
    let bob = server
        .client("bob")
        .connector("memory:test", Ok(Arc::new(counting.clone())));
    (ada, bob.open().await.unwrap(), counting)
}

async fn messages(client: &Client, cid: &str) -> Vec<String> {
    let timeline = client.channel(cid).unwrap().timeline().await.unwrap();
    texts(&timeline.items())
}

#[tokio::test(start_paused = true)]
async fn one_channel_is_here_when_it_returns_and_no_other() {
    let server = TestServer::new();
    let (ada, bob, counting) = behind(&server).await;
    general(&bob).sync().await.unwrap();
    assert_eq!(messages(&bob, CID).await, ["hello"]);
    assert!(messages(&bob, "messaging:one").await.is_empty());
    assert_eq!(bob.status(), SyncState::Offline);
    let counts = counting.take();
    assert_eq!(
        (counts.sent["sync"].0, counts.sent.get("heads")),
        (2, None),
        "{counts:?}"
    );
    // What waits is sent on the way.
    general(&bob).send("from bob").await.unwrap();
    general(&bob).sync().await.unwrap();
    general(&bob).sync().await.unwrap();
    assert_eq!(bob.watch_outbox().get().queued, 0);
    // While connected, the same: what was sent before is here.
    go_live(&bob).await;
    general(&ada).send("more").await.unwrap();
    settled(&ada).await;
    general(&bob).sync().await.unwrap();
    assert_eq!(messages(&bob, CID).await, ["hello", "from bob", "more"]);
    assert_eq!(bob.status(), SyncState::Live, "who is connected stays so");
}

#[tokio::test(start_paused = true)]
async fn new_channels_come_with_their_names_and_without_messages() {
    let server = TestServer::new();
    let (_ada, bob, counting) = behind(&server).await;
    let summary = bob.sync_channels().await.unwrap();
    assert_eq!(
        summary,
        SyncSummary {
            eligible: 3,
            synced: 3
        }
    );
    let names: Vec<String> = bob
        .channels()
        .await
        .unwrap()
        .items()
        .iter()
        .map(|item| item.name.clone())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(
        ["General", "one", "two"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
    assert!(messages(&bob, CID).await.is_empty());
    let counts = counting.take();
    assert_eq!(
        (counts.sent["sync"].0, counts.sent["ask"].0),
        (1, 1),
        "{counts:?}"
    );
    // All of it comes once they are followed.
    go_live(&bob).await;
    assert_eq!(messages(&bob, CID).await, ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn preferences_are_what_another_device_decided_and_which_channels_there_are() {
    let server = TestServer::new();
    let (_ada, bob, counting) = behind(&server).await;
    let other = online(&server, "bob").await;
    other.block_user(UserId::new("ada").unwrap(), None).await.unwrap();
    other
        .update_profile(Some("Bob".to_owned()), None, None)
        .await
        .unwrap();
    settled(&other).await;
    bob.sync_preferences().await.unwrap();
    let contact = bob.contact(&UserId::new("ada").unwrap()).unwrap();
    assert_eq!(contact.consent, ConsentState::Denied);
    let profile = bob.users(&[bob.user().clone()]).await.unwrap().remove(0);
    assert_eq!(profile.name, "Bob");
    assert_eq!(bob.devices().items().len(), 2, "it learns of other devices");
    assert!(
        general(&bob).summary().await.unwrap().is_some(),
        "and of new channels"
    );
    let counts = counting.take();
    assert_eq!(counts.sent["sync"].0, 1, "{counts:?}");
    assert_eq!(counts.channel_events, 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn everything_of_a_consent_is_fetched_and_counted() {
    let server = TestServer::new();
    let (ada, bob, _) = behind(&server).await;
    let allow = bob.channel("messaging:one").unwrap().allow().await.unwrap();
    bob.sync_once(GRANTED).await.unwrap();
    within("the decision", allow.settled()).await.unwrap();
    for name in ["one", "two"] {
        ada.channel(format!("messaging:{name}"))
            .unwrap()
            .send("again")
            .await
            .unwrap();
    }
    settled(&ada).await;
    let allowed = bob.sync_all(&[ConsentState::Allowed]).await.unwrap();
    assert_eq!(
        allowed,
        SyncSummary {
            eligible: 1,
            synced: 1
        }
    );
    assert_eq!(messages(&bob, "messaging:one").await, ["hello", "again"]);
    assert_eq!(messages(&bob, "messaging:two").await, ["hello"]);
    let nothing_new = bob.sync_all(&[ConsentState::Allowed]).await.unwrap();
    assert_eq!(
        nothing_new,
        SyncSummary {
            eligible: 1,
            synced: 0
        }
    );
    let all = [ConsentState::Allowed, ConsentState::Unknown, ConsentState::Denied];
    let all = bob.sync_all(&all).await.unwrap();
    assert_eq!(
        all,
        SyncSummary {
            eligible: 3,
            synced: 1
        }
    );
    assert_eq!(bob.status(), SyncState::Offline);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_do_not_disturb_each_other() {
    let server = TestServer::new();
    let (_ada, bob, _) = behind(&server).await;
    let (one, two) = (
        bob.channel("messaging:one").unwrap(),
        bob.channel("messaging:two").unwrap(),
    );
    let all = [ConsentState::Unknown];
    let (a, b, c, d, e) = tokio::join!(
        one.sync(),
        two.sync(),
        bob.sync_channels(),
        bob.sync_all(&all),
        bob.sync_preferences()
    );
    for done in [a, b, e] {
        done.unwrap();
    }
    assert!(c.unwrap().eligible <= 3, "those that are not here yet");
    assert_eq!(d.unwrap().eligible, 3);
    assert_eq!(messages(&bob, "messaging:two").await, ["hello"]);
    reaches(&bob, |status| *status == SyncState::Offline).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_server_it_says_so_and_nothing_stays_behind() {
    let server = TestServer::new();
    let (_ada, bob, _) = behind(&server).await;
    server.stop().await;
    let error = general(&bob).sync().await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("not_connected".to_owned(), true),
        "{error}"
    );
    reaches(&bob, |status| *status == SyncState::Offline).await;
    server.start();
    let error = bob
        .channel("messaging:not-there")
        .unwrap()
        .sync()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "channel_not_found");
    // Given up at any await: it disconnects all the same.
    for polls in 0..12 {
        {
            let channel = general(&bob);
            let mut sync = Box::pin(channel.sync());
            for _ in 0..polls {
                if sync.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        bob.sync_preferences().await.unwrap();
        reaches(&bob, |status| *status == SyncState::Offline).await;
    }
    bob.suspend().await.unwrap();
    assert_eq!(general(&bob).sync().await.unwrap_err().code(), "suspended");
    bob.resume().await.unwrap();
    general(&bob).sync().await.unwrap();
    bob.close().await;
    assert_eq!(general(&bob).sync().await.unwrap_err().code(), "client_closed");
}

#[tokio::test(start_paused = true)]
async fn who_connects_meanwhile_follows_everything() {
    let server = TestServer::new();
    let (_ada, bob, _) = behind(&server).await;
    let channel = general(&bob);
    let mut sync = Box::pin(channel.sync());
    assert!(sync.as_mut().now_or_never().is_none());
    bob.connect().await.unwrap();
    sync.await.unwrap();
    reaches(&bob, |status| *status == SyncState::Live).await;
    assert_eq!(messages(&bob, "messaging:two").await, ["hello"]);
    // And after a restart nothing of it is remembered.
    let store = MemoryStore::new();
    let client = crate::support::open(&server, "carol", &store).await;
    client.channel(CID).unwrap().sync().await.unwrap();
    client.close().await;
    let client = crate::support::open(&server, "carol", &store).await;
    go_live(&client).await;
    assert_eq!(messages(&client, CID).await, ["hello"]);
}
