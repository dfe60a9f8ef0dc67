//! Sent, delivered, read: what the sender sees of devices that are watched and of those that are not.

use crate::support::{general, go_live, made, online, open, settled, shows, within};
use futures_util::StreamExt as _;
use std::time::Duration;
use whimbrel_client::{
    Channel, Client, Items, MemberReceipt, MessageReceipts, ReceiptStatus, SyncState, Timeline, TimelineItem,
};
use whimbrel_model::{MessageId, SettingsChange};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

const GRANTED: Duration = Duration::from_secs(25);

/// How far the newest message has got: its status, and with how many.
fn newest(items: &Items<TimelineItem>) -> Option<(ReceiptStatus, u32, u32)> {
    let receipt = items.last()?.receipt?;
    Some((receipt.status, receipt.delivered, receipt.read))
}

async fn reaches(timeline: &Timeline, status: ReceiptStatus, delivered: u32, read: u32) {
    let wanted = Some((status, delivered, read));
    shows(timeline, &format!("{wanted:?}"), |items| newest(items) == wanted).await;
}

async fn told(receipts: &MessageReceipts, what: &str, wanted: impl Fn(&Items<MemberReceipt>) -> bool) {
    let (mut items, mut diffs) = receipts.subscribe();
    within(what, async {
        while !wanted(&items) {
            for diff in diffs.next().await.expect("it goes on") {
                diff.apply(&mut items);
            }
        }
    })
    .await;
    assert_eq!(items, receipts.items());
}

async fn sent(channel: &Channel, text: &str) -> MessageId {
    let sent = channel.send(text).await.unwrap();
    let id = sent.id;
    within("the message", sent.settled()).await.unwrap();
    id
}

async fn once(client: &Client) {
    let summary = client.sync_once(GRANTED).await.unwrap();
    assert!(summary.caught_up, "{summary:?}");
    assert_eq!(client.status(), SyncState::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_background_sync_marks_what_it_brings_as_delivered() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let bob = server.client("bob").open().await.unwrap();
    let carol = server.client("carol").open().await.unwrap();
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    sent(&channel, "hello").await;
    reaches(&timeline, ReceiptStatus::Sent, 0, 0).await;

    once(&bob).await;
    reaches(&timeline, ReceiptStatus::Sent, 1, 0).await;
    once(&carol).await;
    reaches(&timeline, ReceiptStatus::Delivered, 2, 0).await;

    // Once more has nothing to say.
    let before = channel.delivered().await.unwrap();
    once(&bob).await;
    ada.wait_until_caught_up(GRANTED).await.unwrap();
    assert_eq!(channel.delivered().await.unwrap(), before);

    // Read with no network, and told with the next one.
    general(&bob).mark_read().await.unwrap();
    general(&carol).mark_read().await.unwrap();
    once(&bob).await;
    reaches(&timeline, ReceiptStatus::Delivered, 2, 1).await;
    once(&carol).await;
    reaches(&timeline, ReceiptStatus::Read, 2, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_is_pending_and_a_thread_has_receipts_too() {
    let server = TestServer::new();
    let (ada, bob) = (online(&server, "ada").await, online(&server, "bob").await);
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let root = sent(&channel, "root").await;
    let thread = channel.thread(root).await.unwrap();
    ada.disconnect().await.unwrap();
    channel.reply(root, "in the thread").await.unwrap();
    assert_eq!(newest(&thread.items()), Some((ReceiptStatus::Pending, 0, 0)));
    go_live(&ada).await;
    reaches(&thread, ReceiptStatus::Sent, 1, 0).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    general(&bob).mark_read().await.unwrap();
    settled(&bob).await;
    reaches(&timeline, ReceiptStatus::Sent, 1, 1).await;
    assert_eq!(newest(&thread.items()), Some((ReceiptStatus::Sent, 1, 0)));
    general(&bob).mark_thread_read(root).await.unwrap();
    reaches(&thread, ReceiptStatus::Sent, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_the_rows_say_what_happened_meanwhile() {
    let server = TestServer::new();
    let store = MemoryStore::new();
    let ada = open(&server, "ada", &store).await;
    go_live(&ada).await;
    let channel = made(&ada).await;
    let id = sent(&channel, "hello").await;
    let timeline = channel.timeline().await.unwrap();
    let receipts = channel.receipts(id).await.unwrap();
    ada.disconnect().await.unwrap();
    for name in ["bob", "carol"] {
        let other = online(&server, name).await;
        other.wait_until_caught_up(GRANTED).await.unwrap();
        general(&other).mark_read().await.unwrap();
        settled(&other).await;
    }
    assert_eq!(newest(&timeline.items()), Some((ReceiptStatus::Sent, 0, 0)));
    // The server is another process by then.
    server.stop().await;
    server.start();
    go_live(&ada).await;
    reaches(&timeline, ReceiptStatus::Read, 2, 2).await;
    told(&receipts, "both", |items| {
        items.iter().all(|item| item.read && item.delivered)
    })
    .await;

    // And after a restart, before anything is connected.
    ada.close().await;
    let ada = open(&server, "ada", &store).await;
    let timeline = general(&ada).timeline().await.unwrap();
    assert_eq!(newest(&timeline.items()), Some((ReceiptStatus::Read, 2, 2)));
    let receipts = general(&ada).receipts(id).await.unwrap();
    let read: Vec<_> = receipts
        .items()
        .iter()
        .map(|item| (item.user.to_string(), item.read))
        .collect();
    assert_eq!(read, [("bob".to_owned(), true), ("carol".to_owned(), true)]);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_crash_is_marked_after_it() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let store = MemoryStore::new();
    let bob = open(&server, "bob", &store).await;
    go_live(&bob).await;
    bob.wait_until_caught_up(GRANTED).await.unwrap();
    sent(&channel, "one").await;
    reaches(&timeline, ReceiptStatus::Sent, 1, 0).await;
    // The second one comes within the two seconds after the mark, in which the app dies.
    sent(&channel, "two").await;
    let bobs = general(&bob).timeline().await.unwrap();
    shows(&bobs, "both", |items| items.len() == 2).await;
    bob.close().await;
    assert_eq!(newest(&timeline.items()), Some((ReceiptStatus::Sent, 0, 0)));
    let bob = open(&server, "bob", &store).await;
    go_live(&bob).await;
    reaches(&timeline, ReceiptStatus::Sent, 1, 0).await;
}

fn change(read: Option<bool>, delivery: Option<bool>, devices: Option<bool>) -> SettingsChange {
    SettingsChange {
        read_receipts: read,
        delivery_receipts: delivery,
        device_receipts: devices,
        ..SettingsChange::default()
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_receipts_private_is_not_told_of() {
    let server = TestServer::new();
    let (ada, carol) = (online(&server, "ada").await, online(&server, "carol").await);
    let channel = made(&ada).await;
    let timeline = channel.timeline().await.unwrap();
    let bob = server.client("bob").open().await.unwrap();
    // Switched off with no network: it holds for what is read after it, in that order.
    bob.update_settings(change(Some(false), None, None))
        .await
        .unwrap();
    assert!(!bob.settings().read_receipts && bob.settings().delivery_receipts);
    let id = sent(&channel, "hello").await;
    let receipts = channel.receipts(id).await.unwrap();
    once(&bob).await;
    general(&bob).mark_read().await.unwrap();
    once(&bob).await;
    general(&carol).mark_read().await.unwrap();
    reaches(&timeline, ReceiptStatus::Delivered, 2, 1).await;
    let read: Vec<_> = receipts
        .items()
        .iter()
        .map(|item| (item.delivered, item.read))
        .collect();
    assert_eq!(read, [(true, false), (true, true)]);
    // Its user's other device knows, all the same.
    let laptop = online(&server, "bob").await;
    laptop.wait_until_caught_up(GRANTED).await.unwrap();
    assert!(!laptop.settings().read_receipts);
    assert_eq!(general(&laptop).summary().await.unwrap().unwrap().unread, 0);

    laptop
        .update_settings(change(None, Some(false), None))
        .await
        .unwrap();
    settled(&laptop).await;
    sent(&channel, "again").await;
    laptop.wait_until_caught_up(GRANTED).await.unwrap();
    once(&bob).await;
    reaches(&timeline, ReceiptStatus::Sent, 1, 0).await;
    ada.wait_until_caught_up(GRANTED).await.unwrap();
    let bobs = channel.delivered().await.unwrap();
    assert!(
        bobs.iter().all(|row| row.user.as_str() != "bob" || row.seq < 2),
        "{bobs:?}"
    );
    assert!(
        channel
            .reads()
            .await
            .unwrap()
            .iter()
            .all(|row| row.user.as_str() != "bob")
    );
}

#[tokio::test(start_paused = true)]
async fn each_device_is_told_where_its_user_lets_it_be() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let phone = server.client("bob").open().await.unwrap();
    let laptop = server.client("bob").open().await.unwrap();
    let first = sent(&channel, "one").await;
    once(&phone).await;
    once(&laptop).await;
    let receipts = channel.receipts(first).await.unwrap();
    told(&receipts, "bob", |items| items[0].delivered).await;
    assert!(receipts.items()[0].devices.is_empty());

    phone
        .update_settings(change(None, None, Some(true)))
        .await
        .unwrap();
    let second = sent(&channel, "two").await;
    let receipts = channel.receipts(second).await.unwrap();
    once(&phone).await;
    let devices = |items: &Items<MemberReceipt>, most: usize| {
        let devices = &items[0].devices;
        devices.len() >= most && devices.iter().filter(|device| device.delivered).count() == most
    };
    told(&receipts, "the phone", |items| devices(items, 1)).await;
    once(&laptop).await;
    told(&receipts, "both devices", |items| devices(items, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn settings_are_the_same_on_every_device_and_each_is_changed_by_itself() {
    let server = TestServer::new();
    let store = MemoryStore::new();
    let phone = open(&server, "ada", &store).await;
    let laptop = online(&server, "ada").await;
    let mut watch = laptop.watch_settings();
    phone
        .update_settings(change(Some(false), None, None))
        .await
        .unwrap();
    phone.close().await;
    let phone = open(&server, "ada", &store).await;
    assert!(!phone.settings().read_receipts, "it waits in the outbox");
    laptop
        .update_settings(change(None, Some(false), None))
        .await
        .unwrap();
    settled(&laptop).await;
    go_live(&phone).await;
    settled(&phone).await;
    within("both changes", async {
        while laptop.settings().read_receipts {
            watch.next().await.expect("the client is alive");
        }
    })
    .await;
    phone.wait_until_caught_up(GRANTED).await.unwrap();
    let shown = [phone.settings(), laptop.settings()].map(|own| (own.read_receipts, own.delivery_receipts));
    assert_eq!(shown, [(false, false); 2]);
    let none = phone.update_settings(SettingsChange::default()).await;
    assert_eq!(none.unwrap_err().code(), "invalid");
}
