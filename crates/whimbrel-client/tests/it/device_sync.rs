//! What a device has that only another one of the account can give: over the real hub, which carries it and cannot read it.

use crate::{
    local::{left, messages},
    support::{CID, general, go_live, online, open, within},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use whimbrel_client::{Client, Connector, DeviceSyncState, TransportError};
use whimbrel_model::{DeviceSyncState as Remote, limits};
use whimbrel_store::{MemoryStore, Store, StoreReader};
use whimbrel_testkit::server::TestServer;
use whimbrel_transport::{Connection, FrameSink};

/// Stands between a client and the network: sees what it sends, and may change it.
#[derive(Debug)]
struct Tap {
    inner: Arc<dyn Connector>,
    seen: Arc<Mutex<Vec<String>>>,
    change: fn(String) -> String,
}

#[derive(Debug)]
struct TappedSink {
    inner: Box<dyn FrameSink>,
    seen: Arc<Mutex<Vec<String>>>,
    change: fn(String) -> String,
}

impl Tap {
    fn new(server: &TestServer, change: fn(String) -> String) -> (Arc<Self>, Arc<Mutex<Vec<String>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tap = Self {
            inner: server.connector(),
            seen: Arc::clone(&seen),
            change,
        };
        (Arc::new(tap), seen)
    }
}

#[async_trait]
impl Connector for Tap {
    async fn connect(&self) -> Result<Connection, TransportError> {
        let Connection { sink, stream } = self.inner.connect().await?;
        let sink = Box::new(TappedSink {
            inner: sink,
            seen: Arc::clone(&self.seen),
            change: self.change,
        });
        Ok(Connection { sink, stream })
    }
}

#[async_trait]
impl FrameSink for TappedSink {
    async fn send(&mut self, frames: Vec<Bytes>) -> Result<(), TransportError> {
        let change = |frame: Bytes| {
            let text = String::from_utf8(frame.to_vec()).unwrap();
            self.seen.lock().unwrap().push(text.clone());
            Bytes::from((self.change)(text))
        };
        let frames = frames.into_iter().map(change).collect();
        self.inner.send(frames).await
    }

    async fn close(&mut self) {
        self.inner.close().await;
    }
}

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
    tokio::time::sleep(Duration::from_millis(2)).await;
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
            tokio::time::sleep(Duration::from_millis(5)).await;
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
                tokio::time::sleep(Duration::from_millis(5)).await;
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
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
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
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    laptop.close().await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    done(&phone).await;
    assert_eq!(messages(&new).await.len(), 5);
}

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
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let offered = is_offered();
        drop(laptop);
        drop(phone);
        tokio::time::sleep(Duration::from_millis(20)).await;
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
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let over = remote(&phone, &phone) == Some(Remote::Done) && phone.outbox().is_empty();
        drop(phone);
        tokio::time::sleep(Duration::from_millis(20)).await;
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
                tokio::time::sleep(Duration::from_millis(1)).await;
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
                tokio::time::sleep(Duration::from_millis(5)).await;
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
    tokio::time::sleep(Duration::from_secs(50)).await;
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
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(phone.device_sync(), DeviceSyncState::Idle);
    phone.request_device_sync().await.unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
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
    tokio::time::sleep(Duration::from_secs(600)).await;
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
async fn a_client_that_is_suspended_in_the_middle_goes_on() {
    let server = TestServer::new();
    let (old, new) = (MemoryStore::new(), MemoryStore::new());
    let laptop = old_device(&server, &old).await;
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    for _ in 0..5 {
        phone.suspend().await.unwrap();
        laptop.suspend().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        laptop.resume().await.unwrap();
        phone.resume().await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    done(&phone).await;
    assert_eq!(messages(&new).await.len(), 5);
    assert!(
        limits::PARCEL_PART_BYTES * 2 < limits::FRAME_BYTES,
        "a part fits a frame"
    );
}
