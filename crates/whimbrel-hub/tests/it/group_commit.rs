//! The writer: groups across connections, nothing answered before it is durable, an orderly end.

use crate::support::{
    Client, ManualClock, accept, cid, create, envelope, retry, send, start_on, steps, user,
};
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{sync::Semaphore, task::JoinSet};
use uuid::Uuid;
use whimbrel_hub::{
    Decide, DeviceRecord, DeviceSeen, DeviceStorage, Hub, HubConfig, KeptParcel, Keys, LastSeen,
    MemoryStorage, ParcelPart, ParcelStorage, PresenceRecord, PresenceStorage, PushAbout, PushTarget,
    Storage, StorageError,
};
use whimbrel_model::{
    ChannelId, Code, Cursor, DeviceId, DeviceSync, Epoch, HistoryFrom, Op, StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, OpResult, Page, Question};

/// The storage in memory, with a gate before each commit, and a plan of failures.
#[derive(Debug)]
struct Gated {
    inner: MemoryStorage,
    gate: Semaphore,
    waiting: Semaphore,
    commits: AtomicUsize,
    fail: Mutex<Option<Fail>>,
}

#[derive(Clone, Copy, Debug)]
enum Fail {
    Before,
    After,
}

impl Gated {
    fn new(open: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::new(Epoch(1)),
            gate: Semaphore::new(open),
            waiting: Semaphore::new(0),
            commits: AtomicUsize::new(0),
            fail: Mutex::new(None),
        })
    }

    fn fail_next(&self, how: Fail) {
        *self.fail.lock().unwrap() = Some(how);
    }
}

#[async_trait]
impl DeviceStorage for Gated {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        self.inner.devices(user).await
    }

    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError> {
        self.inner.put_seen(seen).await
    }

    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError> {
        self.inner.behind(user, tokens).await
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        self.inner.push_targets(about).await
    }

    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_devices(before).await
    }
}

#[async_trait]
impl PresenceStorage for Gated {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        self.inner.presence(watcher, users).await
    }

    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError> {
        self.inner.put_last_seen(seen).await
    }
}

#[async_trait]
impl ParcelStorage for Gated {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        self.inner.device_syncs(user).await
    }

    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError> {
        self.inner.put_part(part, kept).await
    }

    async fn read_part(
        &self,
        user: &UserId,
        parcel: (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.read_part(user, parcel, offset).await
    }

    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError> {
        self.inner.keep_parcels(user, kept).await
    }

    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_parcels(before).await
    }
}

#[async_trait]
impl Storage for Gated {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError> {
        self.waiting.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let fail = self.fail.lock().unwrap().take();
        if matches!(fail, Some(Fail::Before)) {
            return Err(StorageError::Unavailable("the disk is away".into()));
        }
        // A transaction that is repeated decides on what it reads then.
        decide(&mut whimbrel_hub::WorkingSet::default());
        self.inner.transact(keys, decide).await?;
        self.commits.fetch_add(1, Ordering::SeqCst);
        match fail {
            Some(_) => Err(StorageError::Unavailable("the commit is in doubt".into())),
            None => Ok(()),
        }
    }

    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        self.inner.heads(user, token, limit).await
    }

    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.inner.page(user, stream, cursor, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        self.inner.history(user, cid, from, limit).await
    }

    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError> {
        self.inner.ask(user, question, now).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.inner.members(cid).await
    }

    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.inner.prune_results(before).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn start(storage: &Arc<Gated>) -> Hub {
    let clock = Arc::new(ManualClock::default());
    start_on(storage.clone(), &clock, HubConfig::default())
}

#[tokio::test]
async fn senders_that_wait_for_one_commit_share_the_next() {
    let storage = Gated::new(1);
    let hub = start(&storage);
    accept(&hub, "ada", create(&["bob"])).await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let hub = hub.clone();
        calls.spawn(async move { accept(&hub, "bob", send("hello")).await });
        tokio::task::yield_now().await;
    }
    let mut ada = Client::connect(&hub, "ada").await;
    for _ in 0..100 {
        ada.send(vec![envelope(send("hello"))]).await;
    }
    assert!(
        calls.try_join_next().is_none(),
        "nothing is answered before its commit"
    );
    storage.gate.add_permits(1_000);
    let mut results = calls.join_all().await;
    results.extend(ada.results(100).await.0);
    let mut seqs: Vec<u64> = results
        .iter()
        // The last step: the own stream comes first, when who writes allows the channel.
        .filter_map(|result| Some(steps(&result.outcome).last()?.seq))
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<_>>(), "dense, each once");
    let commits = storage.commits.load(Ordering::SeqCst);
    assert!(commits <= 4, "{commits} commits for 201 operations");
    hub.close().await;
}

#[tokio::test]
async fn a_commit_that_fails_is_a_retry_for_all_and_nobodys_event() {
    let storage = Gated::new(1_000);
    let hub = start(&storage);
    accept(&hub, "ada", create(&["bob"])).await;
    let mut ada = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let ops: Vec<_> = (0..3).map(|_| envelope(send("hello"))).collect();
    storage.fail_next(Fail::Before);
    ada.send(ops.clone()).await;
    let (results, _) = ada.results(3).await;
    assert!(
        results
            .iter()
            .all(|result| retry(&result.outcome) == Code::Unavailable)
    );
    assert_eq!(bob.events().await, []);
    ada.send(ops).await;
    let (results, _) = ada.results(3).await;
    assert!(results.iter().all(|result| steps(&result.outcome).len() == 1));
    assert_eq!(bob.events().await.len(), 3);
    hub.close().await;
}

#[tokio::test]
async fn a_commit_in_doubt_is_settled_by_the_repeat() {
    let storage = Gated::new(1_000);
    let hub = start(&storage);
    accept(&hub, "ada", create(&["bob"])).await;
    let mut bob = Client::connect(&hub, "bob").await;
    let add: Op = crate::support::add(&["cyd"]);
    let ops: Vec<_> = [send("hello"), add].map(envelope).to_vec();
    storage.fail_next(Fail::After);
    let first = hub.ops(&user("ada"), ops.clone()).await;
    assert!(
        first
            .iter()
            .all(|result| retry(&result.outcome) == Code::Unavailable)
    );
    let again = hub.ops(&user("ada"), ops).await;
    let replayed = |result: &OpResult| steps(&result.outcome).iter().all(|step| step.from == step.to);
    assert!(again.iter().all(replayed), "{again:?}");
    // The member that nobody was told of is known to the fan-out all the same.
    let mut cyd = Client::connect(&hub, "cyd").await;
    accept(&hub, "ada", send("next")).await;
    assert_eq!(cyd.events().await.len(), 1);
    let seen = bob.events().await;
    assert_eq!(
        (seen.len(), seen[0].from),
        (1, 5),
        "a gap, that the cursor rule sees"
    );
    hub.close().await;
}

#[tokio::test]
async fn closing_decides_what_is_queued_and_refuses_what_comes_later() {
    let storage = Gated::new(1);
    let hub = start(&storage);
    accept(&hub, "ada", create(&[])).await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let hub = hub.clone();
        calls.spawn(async move { hub.ops(&user("ada"), vec![envelope(send("hello"))]).await });
        tokio::task::yield_now().await;
    }
    // The first is on its way to the storage, the rest are queued.
    storage.waiting.acquire_many(2).await.unwrap().forget();
    let closing = {
        let hub = hub.clone();
        async move { hub.close().await }
    };
    let open = async { storage.gate.add_permits(1_000) };
    tokio::join!(closing, open);
    for results in calls.join_all().await {
        steps(&results[0].outcome);
    }
    let late = hub.ops(&user("ada"), vec![envelope(send("late"))]).await;
    assert_eq!(retry(&late[0].outcome), Code::Unavailable);
    let stream = StreamId::Channel(cid());
    let page = storage.inner.page(&user("ada"), &stream, None, 1).await.unwrap();
    assert_eq!(page.head.seq, 20);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_tasks() {
    let storage = Gated::new(1_000);
    let hub = start(&storage);
    accept(&hub, "ada", create(&[])).await;
    drop(hub);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while Arc::strong_count(&storage) > 1 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "a task still holds the storage"
        );
        tokio::task::yield_now().await;
    }
}
