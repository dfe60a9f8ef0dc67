//! A server, devices that each have a network of their own, and waiting for what is observable.

use futures_util::StreamExt;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use whimbrel::{
    Channel, ChannelItem, Client, ClientBuilder, Defaults, Environment, Items, OutboxSummary, SqliteStore,
    SyncState, SystemEnvironment, Timeline, TimelineItem,
    model::{MessageId, MessageScope, overlay::MessageStatus},
};
use whimbrel_client::{EngineConfig, FullJitter, Store};
use whimbrel_server::{Config, RunningServer, Server, Tokens};
use whimbrel_store::StoreReader as _;
use whimbrel_testkit::proxy::Proxy;

const SECRET: &str = "a secret of thirty-two bytes, at least";

pub(crate) const CID: &str = "messaging:reef";

/// The rows of a timeline.
pub(crate) type Shown = Items<TimelineItem>;

/// Far more than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server that can be stopped, and started again at the same address.
pub(crate) struct World {
    _directory: TempDir,
    config: Config,
    running: Option<RunningServer>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new(directory.path().join("server.db"), SECRET);
        configure(&mut config);
        let running = Server::start(config.clone()).await.unwrap();
        config.listen = running.addr;
        Self {
            _directory: directory,
            config,
            running: Some(running),
        }
    }

    pub(crate) async fn stop_server(&mut self) {
        let running = self.running.take().expect("it runs");
        within("the server's end", running.shutdown()).await;
    }

    pub(crate) async fn start_server(&mut self) {
        self.running = Some(Server::start(self.config.clone()).await.unwrap());
    }

    pub(crate) fn database(&self) -> &Path {
        &self.config.database
    }

    pub(crate) fn token(&self, user: &str) -> String {
        let tokens = Tokens::new(&self.config.auth).unwrap();
        let hour = Duration::from_secs(3600);
        tokens
            .mint(&user.parse().unwrap(), hour, SystemEnvironment.wall())
            .unwrap()
    }

    /// Returns a new device of `user`, with an empty database and an unbroken network; nothing is opened yet.
    pub(crate) async fn device(&self, user: &str) -> Device {
        Device {
            user: user.to_owned(),
            token: self.token(user),
            link: Proxy::open(self.config.listen).await.unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Returns a new device of `user` with a client that is live.
    pub(crate) async fn online(&self, user: &str) -> (Device, Client) {
        let device = self.device(user).await;
        let client = device.open().await;
        go_live(&client).await;
        (device, client)
    }
}

/// A device of a user: its files, and the network between it and the server.
pub(crate) struct Device {
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) link: Proxy,
    pub(crate) directory: TempDir,
}

impl Device {
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder()
            .user(&self.user)
            .server(&format!("http://{}", self.link.address()))
            .directory(self.directory.path())
            .token(self.token.clone())
            .engine(quick())
            // Nobody in a lesson answers whoever made its channel: what they miss is not to be a request's cap.
            .unknown_messages(None)
    }

    pub(crate) async fn open(&self) -> Client {
        self.builder().open().await.unwrap()
    }

    pub(crate) fn database(&self) -> PathBuf {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        let mut databases = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "db"));
        databases.next().expect("a client was opened")
    }

    /// Copies what a crash would leave on disk at this moment to a device of its own.
    pub(crate) async fn crashed(&self, world: &World) -> Self {
        let device = world.device(&self.user).await;
        let target = device.open().await;
        target.close().await;
        let (from, to) = (self.database(), device.database());
        for end in ["", "-wal", "-outbox"] {
            let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            if name(&from).exists() {
                std::fs::copy(name(&from), name(&to)).unwrap();
            }
        }
        device
    }

    /// Looks into the database, also while a client uses it.
    pub(crate) async fn look(&self) -> SqliteStore {
        SqliteStore::open_read_only(self.database()).await.unwrap()
    }

    /// Returns the sequences of the channel's messages that are on disk.
    pub(crate) async fn seqs_on_disk(&self) -> Vec<u64> {
        let store = self.look().await;
        let query = whimbrel::model::MessageQuery {
            cid: CID.parse().unwrap(),
            scope: MessageScope::Channel,
            from: whimbrel::model::HistoryFrom::Newest,
            limit: 100_000,
        };
        let page = store.messages(&query).await.unwrap();
        store.close().await;
        page.messages.iter().map(|message| message.seq).collect()
    }
}

/// Waits of milliseconds.
pub(crate) fn quick() -> EngineConfig {
    EngineConfig {
        retry: Arc::new(FullJitter {
            base_ms: 5,
            cap_ms: 50,
        }),
        ..EngineConfig::default()
    }
}

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

pub(crate) fn reef(client: &Client) -> Channel {
    client.channel(CID).unwrap()
}

/// Makes the channel, of ada with bob and carol, on the server.
pub(crate) async fn made(ada: &Client) -> Channel {
    let channel = reef(ada);
    let queued = channel.create("Reef", ["bob", "carol"]).await.unwrap();
    within("the channel", queued.settled()).await.unwrap();
    channel
}

/// Sends `count` messages, `from` the first number on, and waits until the server has them.
pub(crate) async fn send_many(client: &Client, from: usize, count: usize) {
    for number in from..from + count {
        reef(client).send(format!("message {number}")).await.unwrap();
    }
    settled(client).await;
}

pub(crate) async fn go_live(client: &Client) {
    client.connect().await.unwrap();
    reaches(client, "being live", |status| *status == SyncState::Live).await;
}

pub(crate) async fn go_offline(client: &Client) {
    client.disconnect().await.unwrap();
    reaches(client, "being offline", |status| *status == SyncState::Offline).await;
}

pub(crate) async fn reaches(client: &Client, what: &str, wanted: impl Fn(&SyncState) -> bool) -> SyncState {
    let mut watch = client.watch_status();
    within(what, async {
        let mut status = watch.get();
        while !wanted(&status) {
            status = watch.next().await.expect("the client is alive");
        }
        status
    })
    .await
}

pub(crate) async fn outbox(client: &Client, what: &str, wanted: impl Fn(&OutboxSummary) -> bool) {
    let mut watch = client.watch_outbox();
    within(what, async {
        let mut summary = watch.get();
        while !wanted(&summary) {
            summary = watch.next().await.expect("the client is alive");
        }
    })
    .await;
}

/// Waits until everything that is queued is decided.
pub(crate) async fn settled(client: &Client) {
    outbox(client, "every decision", |summary| summary.queued == 0).await;
}

/// Waits until everything that the server had is on the device.
pub(crate) async fn caught_up(client: &Client) {
    client.wait_until_caught_up(DEADLINE).await.unwrap();
}

/// Waits until a timeline shows what is wanted. No list on the way shows a message twice.
pub(crate) async fn shows(timeline: &Timeline, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
    shows_always(timeline, what, |_| true, wanted).await
}

/// The same, and `holds` is true of every list on the way.
pub(crate) async fn shows_always(
    timeline: &Timeline,
    what: &str,
    holds: impl Fn(&Shown) -> bool,
    wanted: impl Fn(&Shown) -> bool,
) -> Shown {
    let (mut items, mut diffs) = timeline.subscribe();
    let seen = async {
        loop {
            each_once(&items);
            assert!(holds(&items), "not all the time: {:?}", texts(&items));
            if wanted(&items) {
                return;
            }
            for diff in diffs.next().await.expect("the timeline is alive") {
                diff.apply(&mut items);
            }
        }
    };
    let seen = tokio::time::timeout(DEADLINE, seen).await.is_ok();
    assert!(seen, "never: {what}; it shows {:?}", texts(&items));
    items
}

/// Waits until the channel list shows what is wanted.
pub(crate) async fn lists(client: &Client, what: &str, wanted: impl Fn(&Items<ChannelItem>) -> bool) {
    let list = client.channels().await.unwrap();
    let (mut items, mut diffs) = list.subscribe();
    within(what, async {
        while !wanted(&items) {
            for diff in diffs.next().await.expect("the list is alive") {
                diff.apply(&mut items);
            }
        }
    })
    .await;
}

pub(crate) fn each_once(items: &Shown) {
    let ids: HashSet<MessageId> = items.iter().map(|item| item.id()).collect();
    assert_eq!(
        ids.len(),
        items.len(),
        "a message is shown twice: {:?}",
        texts(items)
    );
}

pub(crate) fn texts(items: &Shown) -> Vec<String> {
    items
        .iter()
        .map(|item| item.view.message.body.text.clone())
        .collect()
}

pub(crate) fn ids(items: &Shown) -> Vec<MessageId> {
    items.iter().map(|item| item.id()).collect()
}

pub(crate) fn seqs(items: &Shown) -> Vec<u64> {
    items.iter().map(|item| item.view.message.seq).collect()
}

pub(crate) fn newest_seq(items: &Shown) -> u64 {
    items.last().map_or(0, |item| item.view.message.seq)
}

pub(crate) fn all_sent(items: &Shown) -> bool {
    let sent = |item: &TimelineItem| item.view.status == MessageStatus::Sent && !item.view.change_pending;
    !items.is_empty() && items.iter().all(|item| sent(item))
}

pub(crate) fn status_of(items: &Shown, id: MessageId) -> Option<MessageStatus> {
    let item = items.iter().find(|item| item.id() == id)?;
    Some(item.view.status.clone())
}

/// The numbers from 1 to `last`.
pub(crate) fn up_to(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

/// What bob has of the channel on a new device, which has nothing but what the server tells.
pub(crate) async fn as_others_see_it(world: &World, count: usize) -> Shown {
    let (_device, bob) = world.online("bob").await;
    caught_up(&bob).await;
    let timeline = reef(&bob).timeline().await.unwrap();
    let items = shows(&timeline, "every message", |items| items.len() >= count).await;
    assert_eq!(items.len(), count, "{:?}", texts(&items));
    bob.close().await;
    items
}
