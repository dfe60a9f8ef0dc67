//! What a device has that only another one of the account can give: over the real hub, which carries it and cannot read it.

mod broken;
mod tap;

use crate::{
    local::{left, messages},
    support::{general, go_live, open, within},
};
use std::{sync::Arc, time::Duration};
use whimbrel_client::{Client, DeviceSyncState};
use whimbrel_model::DeviceSyncState as Remote;
use whimbrel_store::{MemoryStore, Store};
use whimbrel_testkit::{server::TestServer, time::pass};

async fn becomes(client: &Client, what: &str, wanted: impl Fn(&DeviceSyncState) -> bool) -> DeviceSyncState {
    let mut watch = client.watch_device_sync();
    within(what, async {
        let mut state = watch.get();
        while !wanted(&state) {
            state = watch.next().await.expect("the client is alive");
        }
        state
    })
    .await
}

async fn done(client: &Client) -> whimbrel_client::ImportSummary {
    match becomes(client, "an answer", |state| {
        matches!(state, DeviceSyncState::Done(_))
    })
    .await
    {
        DeviceSyncState::Done(summary) => summary,
        other => panic!("{other:?}"),
    }
}

/// Waits until a device is registered.
async fn registered(client: &Client) {
    let device = client.device();
    let mut devices = client.devices().watch();
    within("the device to be registered", async {
        use futures_util::StreamExt as _;
        let is_there = |client: &Client| {
            let items = client.devices().items();
            items
                .iter()
                .any(|item| item.id() == device && item.device.ver > 0)
        };
        while !is_there(client) {
            devices.next().await.expect("the client is alive");
        }
    })
    .await;
    // Who is registered later is newer.
    pass(Duration::from_millis(2)).await;
}

/// Bob's old device, with a setting and a channel that bob has left.
async fn old_device(server: &TestServer, store: &MemoryStore) -> Client {
    let bob = left(server, store).await;
    bob.local_settings().set("theme", "dark").await.unwrap();
    registered(&bob).await;
    bob
}

fn remote(client: &Client, of: &Client) -> Option<Remote> {
    let syncs = client.account().device_syncs;
    syncs.get(&of.device()).map(|sync| sync.state.clone())
}

async fn is_over(client: &Client) {
    within("the request to be over", async {
        while remote(client, client) != Some(Remote::Done) {
            pass(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(client.outbox().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_device_gets_by_itself_what_only_the_old_one_has() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    assert_eq!(
        laptop.device_sync(),
        DeviceSyncState::Idle,
        "the first device asks nobody"
    );
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    let summary = done(&phone).await;
    assert_eq!(summary.by, laptop.device());
    assert!(summary.added > 5, "{summary:?}");
    assert_eq!(phone.local_settings().get("theme").as_deref(), Some("dark"));
    assert_eq!(messages(&new).await, messages(&old).await);
    assert_eq!(general(&phone).timeline().await.unwrap().items().len(), 5);
    is_over(&phone).await;
    for store in [&old, &new] {
        within("nothing of it to be kept", async {
            while !store.load().await.unwrap().local.transfers.is_empty() {
                pass(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    assert_eq!(laptop.device_sync(), DeviceSyncState::Idle);
    phone.close().await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    phone.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(phone.device_sync(), DeviceSyncState::Idle, "it asks once");
}

#[tokio::test(start_paused = true)]
async fn what_was_added_since_is_asked_for_by_hand_and_twice_changes_nothing() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    let first = done(&phone).await;
    is_over(&phone).await;
    laptop.local_settings().set("font", "large").await.unwrap();
    phone.request_device_sync().await.unwrap();
    let is_second = |state: &DeviceSyncState| matches!(state, DeviceSyncState::Done(two) if *two != first);
    becomes(&phone, "the second answer", is_second).await;
    assert_eq!(phone.local_settings().get("font").as_deref(), Some("large"));
    is_over(&phone).await;
    let before = (new.load().await.unwrap(), messages(&new).await);
    let request = |client: &Client| client.account().device_syncs[&client.device()].request;
    let second = request(&phone);
    phone.request_device_sync().await.unwrap();
    assert_ne!(request(&phone), second, "it is another one");
    is_over(&phone).await;
    let third = done(&phone).await;
    assert_eq!(third.added, 0);
    assert!(third.duplicates > 5);
    let after = (new.load().await.unwrap(), messages(&new).await);
    assert_eq!(
        (before.0.local.settings, before.0.ranges, before.1),
        (after.0.local.settings, after.0.ranges, after.1)
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_offline_answers_later_and_meanwhile_nobody_has() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    laptop.disconnect().await.unwrap();
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    becomes(&phone, "it to be asked", |state| *state == DeviceSyncState::Asked).await;
    phone.close().await;
    pass(Duration::from_secs(2 * 3600)).await;
    go_live(&laptop).await;
    within("an offer", async {
        while !matches!(
            laptop
                .account()
                .device_syncs
                .values()
                .next()
                .map(|sync| sync.state.clone()),
            Some(Remote::Offered { .. })
        ) {
            pass(Duration::from_millis(5)).await;
        }
    })
    .await;
    laptop.close().await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    done(&phone).await;
    assert_eq!(messages(&new).await.len(), 5);
}

/// What is on disk of transfers.
async fn progress(store: &MemoryStore) -> Vec<(uuid::Uuid, u64)> {
    let local = store.reopen().load().await.unwrap().local;
    local
        .transfers
        .values()
        .map(|one| (one.request, one.stored))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_that_answer_the_first_one_holds() {
    let server = TestServer::new();
    let (one, two, new) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &one).await;
    let tablet = open(&server, "bob", &two).await;
    go_live(&tablet).await;
    done(&tablet).await;
    is_over(&tablet).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    let summary = done(&phone).await;
    assert!([laptop.device(), tablet.device()].contains(&summary.by));
    is_over(&phone).await;
    for (client, store) in [(&laptop, &one), (&tablet, &two), (&phone, &new)] {
        client
            .wait_until_caught_up(Duration::from_secs(20))
            .await
            .unwrap();
        within("nothing of it to be kept", async {
            while !progress(store).await.is_empty() {
                pass(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(client.outbox().is_empty(), "and nothing waits");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_with_nothing_to_give_lets_others_answer_first() {
    let server = TestServer::new();
    let (one, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = open(&server, "bob", &one).await;
    go_live(&laptop).await;
    registered(&laptop).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    becomes(&phone, "it to be asked", |state| *state == DeviceSyncState::Asked).await;
    pass(Duration::from_secs(50)).await;
    assert_eq!(phone.device_sync(), DeviceSyncState::Asked);
    let started = tokio::time::Instant::now();
    let mut watch = phone.watch_device_sync();
    while !matches!(watch.get(), DeviceSyncState::Done(_)) {
        watch.next().await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!(phone.outbox().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_the_switch_off_nothing_is_asked_or_given_but_by_hand() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    laptop.close().await;
    let off = |store: &MemoryStore| {
        let builder = server.client("bob").store(Arc::new(store.reopen()));
        builder.device_sync(false).open()
    };
    let laptop = off(&old).await.unwrap();
    go_live(&laptop).await;
    let phone = off(&new).await.unwrap();
    go_live(&phone).await;
    registered(&phone).await;
    pass(Duration::from_secs(300)).await;
    assert_eq!(phone.device_sync(), DeviceSyncState::Idle);
    phone.request_device_sync().await.unwrap();
    pass(Duration::from_secs(300)).await;
    assert_eq!(phone.device_sync(), DeviceSyncState::Asked);
    laptop.offer_device_sync(phone.device()).await.unwrap();
    done(&phone).await;
    assert_eq!(messages(&new).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_device_gets_nothing() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    laptop.disconnect().await.unwrap();
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    becomes(&phone, "it to be asked", |state| *state == DeviceSyncState::Asked).await;
    laptop.revoke_device(phone.device()).await.unwrap();
    go_live(&laptop).await;
    pass(Duration::from_secs(600)).await;
    assert_eq!(remote(&laptop, &phone), Some(Remote::Asked));
    assert!(progress(&old).await.is_empty());
    assert!(phone.local_settings().all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_never_persisted_gives_and_takes_from_memory() {
    let server = TestServer::new();
    let laptop = server.client("bob").persistence(false).open().await.unwrap();
    go_live(&laptop).await;
    registered(&laptop).await;
    laptop.local_settings().set("theme", "dark").await.unwrap();
    let phone = server.client("bob").persistence(false).open().await.unwrap();
    go_live(&phone).await;
    done(&phone).await;
    assert_eq!(phone.local_settings().get("theme").as_deref(), Some("dark"));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_and_again_is_answered_now_and_then() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    done(&phone).await;
    is_over(&phone).await;
    let first = tokio::time::Instant::now();
    let mut made_at = Vec::new();
    for _ in 0..3 {
        phone.request_device_sync().await.unwrap();
        is_over(&phone).await;
        if let DeviceSyncState::Done(summary) = phone.device_sync() {
            made_at.push(summary.made_at);
        }
    }
    assert!(
        first.elapsed() >= Duration::from_secs(29),
        "{:?}",
        first.elapsed()
    );
    assert!(
        made_at.windows(2).all(|two| two[1].0 - two[0].0 >= 10_000),
        "{made_at:?}"
    );
    assert_eq!(laptop.outbox().len(), 0);
}
