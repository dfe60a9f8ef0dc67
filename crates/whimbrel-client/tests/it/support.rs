//! Waiting for what is observable, with a deadline, and short ways to say what is shown.

use futures_util::StreamExt;
use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};
use whimbrel_client::{
    Channel, Client, ClientBuilder, Items, OutboxSummary, SyncState, Timeline, TimelineItem,
};
use whimbrel_model::{MessageId, overlay::MessageStatus};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const CID: &str = "messaging:general";

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

/// Opens a client of `user` on a store in memory.
pub(crate) async fn open(server: &TestServer, user: &str, store: &MemoryStore) -> Client {
    let store = Arc::new(store.reopen());
    uncapped(server, user).store(store).open().await.unwrap()
}

/// Opens a client of `user` on a new store, and waits until it is live.
pub(crate) async fn online(server: &TestServer, user: &str) -> Client {
    let client = uncapped(server, user).open().await.unwrap();
    go_live(&client).await;
    client
}

/// Sets up a client to which all of a channel comes whose other members it never answered: that not all does is for the tests
/// of following.
pub(crate) fn uncapped(server: &TestServer, user: &str) -> ClientBuilder {
    server.client(user).unknown_messages(None)
}

pub(crate) async fn go_live(client: &Client) {
    client.connect().await.unwrap();
    reaches(client, |status| *status == SyncState::Live).await;
}

pub(crate) fn general(client: &Client) -> Channel {
    client.channel(CID).unwrap()
}

/// A channel of ada, bob and carol that the server has.
pub(crate) async fn made(ada: &Client) -> Channel {
    let channel = general(ada);
    let queued = channel.create("General", ["bob", "carol"]).await.unwrap();
    within("the channel", queued.settled()).await.unwrap();
    channel
}

pub(crate) async fn reaches(client: &Client, wanted: impl Fn(&SyncState) -> bool) -> SyncState {
    let mut watch = client.watch_status();
    within("a status", async {
        let mut status = watch.get();
        while !wanted(&status) {
            status = watch.next().await.expect("the client is alive");
        }
        status
    })
    .await
}

pub(crate) async fn outbox(client: &Client, wanted: impl Fn(&OutboxSummary) -> bool) {
    let mut watch = client.watch_outbox();
    within("the outbox", async {
        let mut summary = watch.get();
        while !wanted(&summary) {
            summary = watch.next().await.expect("the client is alive");
        }
    })
    .await;
}

/// Waits until everything that is queued is decided.
pub(crate) async fn settled(client: &Client) {
    outbox(client, |summary| summary.queued == 0).await;
}

/// Waits until a timeline shows what is wanted. Each list on the way has each message once.
pub(crate) async fn shows(
    timeline: &Timeline,
    what: &str,
    wanted: impl Fn(&Items<TimelineItem>) -> bool,
) -> Items<TimelineItem> {
    let (mut items, mut diffs) = timeline.subscribe();
    within(what, async {
        while !wanted(&items) {
            for diff in diffs.next().await.expect("the timeline is alive") {
                diff.apply(&mut items);
            }
            each_once(&items);
        }
    })
    .await;
    items
}

pub(crate) fn each_once(items: &Items<TimelineItem>) {
    let ids: HashSet<MessageId> = items.iter().map(|item| item.id()).collect();
    assert_eq!(ids.len(), items.len(), "a message is shown twice");
}

pub(crate) fn texts(items: &Items<TimelineItem>) -> Vec<String> {
    items
        .iter()
        .map(|item| item.view.message.body.text.clone())
        .collect()
}

pub(crate) fn all_sent(items: &Items<TimelineItem>) -> bool {
    items
        .iter()
        .all(|item| item.view.status == MessageStatus::Sent && !item.view.change_pending)
}

/// Place, identity, text, whether deleted, revision and reactions of a message.
pub(crate) type Row = (u64, MessageId, String, bool, u32, Vec<(String, u32)>);

/// What two people have to see alike.
pub(crate) fn rows(items: &Items<TimelineItem>) -> Vec<Row> {
    items
        .iter()
        .map(|item| {
            let message = &item.view.message;
            let reactions = item.reactions.iter();
            (
                message.seq,
                message.id,
                message.body.text.clone(),
                message.is_deleted(),
                message.revision,
                reactions
                    .map(|group| (group.kind.to_string(), group.count))
                    .collect(),
            )
        })
        .collect()
}
