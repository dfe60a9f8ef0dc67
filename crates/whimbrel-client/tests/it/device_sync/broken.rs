//! What goes wrong on the way, and what anyone sees of it there.

use super::{becomes, done, is_over, old_device, progress, registered, remote, tap::Tap};
use crate::{
    local::messages,
    support::{CID, general, go_live, online, open},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use whimbrel_client::{Client, Connector, DeviceSyncState};
use whimbrel_model::DeviceSyncState as Remote;
use whimbrel_store::{MemoryStore, Store, StoreReader};
use whimbrel_testkit::{server::TestServer, time::pass};

/// Fills the old device, so that what it gives has several parts.
async fn fill(laptop: &Client) {
    // No archive is compressed, and neither is this.
    let value: String = (0..60_000_u32)
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .collect();
    laptop.local_settings().set("large", value).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn either_side_may_be_killed_at_any_part_and_goes_on() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let ada = online(&server, "ada").await;
    let laptop = open(&server, "bob", &old).await;
    go_live(&laptop).await;
    long_channel(&ada, &laptop).await;
    fill(&laptop).await;
    registered(&laptop).await;
    laptop.close().await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    becomes(&phone, "it to be asked", |state| *state == DeviceSyncState::Asked).await;
    phone.close().await;
    // Killed after each write of the one that gives, and then of the one that takes.
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts < 200, "it does not come to an end");
        let laptop = open(&server, "bob", &old).await;
        go_live(&laptop).await;
        let phone = open(&server, "bob", &new).await;
        let moved = progress(&old).await;
        let is_offered = || {
            let mut syncs = laptop
                .account()
                .device_syncs
                .values()
                .cloned()
                .collect::<Vec<_>>();
            matches!(
                syncs.pop().map(|sync| sync.state.clone()),
                Some(Remote::Offered { .. })
            )
        };
        while progress(&old).await == moved && !is_offered() {
            pass(Duration::from_millis(1)).await;
        }
        let offered = is_offered();
        drop(laptop);
        drop(phone);
        pass(Duration::from_millis(20)).await;
        if offered {
            break;
        }
    }
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts < 200, "it does not come to an end");
        let phone = open(&server, "bob", &new).await;
        let moved = progress(&new).await;
        go_live(&phone).await;
        while progress(&new).await == moved && remote(&phone, &phone) != Some(Remote::Done) {
            pass(Duration::from_millis(1)).await;
        }
        let over = remote(&phone, &phone) == Some(Remote::Done) && phone.outbox().is_empty();
        drop(phone);
        pass(Duration::from_millis(20)).await;
        if over {
            break;
        }
    }
    assert!(starts > 1, "nobody was killed");
    assert_eq!(count(&new).await, count(&old).await);
    let settings = |store: &MemoryStore| store.reopen();
    assert_eq!(
        settings(&new).load().await.unwrap().local.settings,
        settings(&old).load().await.unwrap().local.settings
    );
}

async fn long_channel(ada: &Client, bob: &Client) {
    let channel = general(ada);
    channel.create("General", ["bob"]).await.unwrap();
    for number in 0..600 {
        channel
            .send(format!("{number} {}", "words ".repeat(160)))
            .await
            .unwrap();
    }
    crate::support::settled(ada).await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    let theirs = general(bob);
    let timeline = theirs.timeline().await.unwrap();
    while timeline.items().len() < 600 {
        timeline.load_older(200).await.unwrap();
    }
    theirs.leave().await.unwrap();
    crate::support::settled(bob).await;
}

async fn count(store: &MemoryStore) -> usize {
    let query = whimbrel_model::MessageQuery {
        cid: CID.parse().unwrap(),
        scope: whimbrel_model::MessageScope::Channel,
        from: whimbrel_model::HistoryFrom::Newest,
        limit: 10_000,
    };
    store.reopen().messages(&query).await.unwrap().messages.len()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_at_every_part_costs_nothing_twice() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let ada = online(&server, "ada").await;
    static PUTS: AtomicUsize = AtomicUsize::new(0);
    let (tap, seen) = Tap::new(&server, |frame| {
        if frame.starts_with("{\"parcel\"") {
            PUTS.fetch_add(1, Ordering::Relaxed);
        }
        frame
    });
    let laptop = server.client("bob").store(Arc::new(old.reopen()));
    let laptop = laptop.connector("memory:test", Ok(tap as Arc<dyn Connector>));
    let laptop = laptop.open().await.unwrap();
    go_live(&laptop).await;
    long_channel(&ada, &laptop).await;
    registered(&laptop).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    let mut cuts = 0;
    while !matches!(phone.device_sync(), DeviceSyncState::Done(_)) {
        let puts = PUTS.load(Ordering::Relaxed);
        tokio::time::timeout(Duration::from_secs(5), async {
            while PUTS.load(Ordering::Relaxed) == puts {
                pass(Duration::from_millis(1)).await;
            }
        })
        .await
        .ok();
        if cuts < 8 {
            server.network().cut();
            cuts += 1;
        }
        assert!(cuts < 100);
    }
    assert_eq!(count(&new).await, 600);
    let seen = seen.lock().unwrap();
    let digests: std::collections::BTreeSet<&str> = seen
        .iter()
        .filter(|frame| frame.starts_with("{\"parcel\""))
        .map(|frame| &frame[frame.find("sha256").unwrap()..][..80])
        .collect();
    assert_eq!(digests.len(), 1, "it was built once");
}

#[tokio::test(start_paused = true)]
async fn the_server_sees_nothing_of_what_it_carries() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    laptop
        .local_settings()
        .set("secret key", "secret value")
        .await
        .unwrap();
    laptop.close().await;
    let (tap, seen) = Tap::new(&server, |frame| frame);
    let laptop = server.client("bob").store(Arc::new(old.reopen()));
    let laptop = laptop
        .connector("memory:test", Ok(tap as Arc<dyn Connector>))
        .open()
        .await
        .unwrap();
    go_live(&laptop).await;
    let (tap, asked) = Tap::new(&server, |frame| frame);
    let phone = server.client("bob").store(Arc::new(new.reopen()));
    let phone = phone
        .connector("memory:test", Ok(tap as Arc<dyn Connector>))
        .open()
        .await
        .unwrap();
    go_live(&phone).await;
    done(&phone).await;
    assert_eq!(
        phone.local_settings().get("secret key").as_deref(),
        Some("secret value")
    );
    let sent: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .chain(asked.lock().unwrap().iter())
        .cloned()
        .collect();
    assert!(sent.iter().any(|frame| frame.contains("\"put\"")));
    for frame in &sent {
        let lower = frame.to_lowercase();
        assert!(
            !lower.contains("age-secret-key"),
            "the private key leaves the device"
        );
        let carried = decoded(frame);
        for secret in ["secret key", "secret value", "message 3", "theme"] {
            assert!(!frame.contains(secret), "{secret} in {frame}");
            assert!(!carried.contains(secret), "{secret} is in the parcel");
        }
    }
}

/// What stands in the base64 of a frame.
fn decoded(frame: &str) -> String {
    let Some(at) = frame.find("\"bytes\":\"") else {
        return String::new();
    };
    let text = frame[at + 9..].split('"').next().unwrap();
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = (bits << 6) | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_changed_on_its_way_is_refused_and_changes_nothing() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    laptop.close().await;
    let (tap, _) = Tap::new(&server, |frame| {
        // Not the length, but what it says.
        match frame.find("\"bytes\":\"").filter(|_| frame.contains("\"put\"")) {
            Some(at) if frame[at + 9..].len() > 200 => {
                let mut bytes = frame.into_bytes();
                bytes[at + 109] = if bytes[at + 109] == b'A' { b'B' } else { b'A' };
                String::from_utf8(bytes).unwrap()
            }
            _ => frame,
        }
    });
    let laptop = server.client("bob").store(Arc::new(old.reopen()));
    let laptop = laptop
        .connector("memory:test", Ok(tap as Arc<dyn Connector>))
        .open()
        .await
        .unwrap();
    go_live(&laptop).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    let is_failed = |state: &DeviceSyncState| matches!(state, DeviceSyncState::Failed { .. });
    let failed = becomes(&phone, "it to be refused", is_failed).await;
    assert!(matches!(failed, DeviceSyncState::Failed { by, .. } if by == laptop.device()));
    is_over(&phone).await;
    assert!(phone.local_settings().all().is_empty());
    assert!(messages(&new).await.is_empty());
    assert!(progress(&new).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_suspended_in_the_middle_goes_on() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    for _ in 0..5 {
        phone.suspend().await.unwrap();
        laptop.suspend().await.unwrap();
        pass(Duration::from_millis(5)).await;
        laptop.resume().await.unwrap();
        phone.resume().await.unwrap();
        pass(Duration::from_millis(3)).await;
    }
    done(&phone).await;
    assert_eq!(messages(&new).await.len(), 5);
}
