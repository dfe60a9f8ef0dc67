//! Requests whose caller goes away at any moment: what was answered is there, everything is there as a whole, and
//! whoever comes next is served.
//!
//! Not asserted here: a database with awaits of its own, which the server's tests have.

use crate::support::{Client, ManualClock, Names, cid, create, envelope, hello, send, start_on, steps, user};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::yield_now, time::timeout};
use uuid::Uuid;
use whimbrel_hub::{
    Decide, DeviceRecord, DeviceSeen, DeviceStorage, Hub, HubConfig, KeptParcel, Keys, LastSeen,
    MemoryStorage, ParcelPart, ParcelStorage, PresenceRecord, PresenceStorage, PushAbout, PushTarget,
    Storage, StorageError,
};
use whimbrel_model::{
    ChannelId, Cursor, DeviceId, DeviceSync, Epoch, HistoryFrom, MessageId, OpEnvelope, OpId, Row, StreamId,
    Timestamp, UserId, limits,
};
use whimbrel_protocol::{
    Answer, ClientFrame, Heads, HeadsPage, History, HistoryPage, OpResult, Ops, Page, Question, Sync,
};
use whimbrel_testkit::dropped::{Moment, dropped_at};

/// More polls than any request takes, and enough turns for a commit to end in each of its steps.
const POLLS: usize = 6;
const TURNS: usize = 12;

/// How long the next one may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A storage that lets the others go on before and after each step.
#[derive(Debug)]
struct Slow(MemoryStorage);

impl Slow {
    async fn pause(&self) {
        for _ in 0..2 {
            yield_now().await;
        }
    }
}

#[async_trait]
impl DeviceStorage for Slow {
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError> {
        self.0.devices(user).await
    }

    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError> {
        self.0.put_seen(seen).await
    }

    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError> {
        self.0.behind(user, tokens).await
    }

    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError> {
        self.0.push_targets(about).await
    }

    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.0.prune_devices(before).await
    }
}

#[async_trait]
impl PresenceStorage for Slow {
    async fn presence(
        &self,
        watcher: &UserId,
        users: &[UserId],
    ) -> Result<Vec<PresenceRecord>, StorageError> {
        self.0.presence(watcher, users).await
    }

    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError> {
        self.0.put_last_seen(seen).await
    }
}

#[async_trait]
impl ParcelStorage for Slow {
    async fn device_syncs(&self, user: &UserId) -> Result<Vec<DeviceSync>, StorageError> {
        self.0.device_syncs(user).await
    }

    async fn put_part(&self, part: &ParcelPart<'_>, kept: &[KeptParcel]) -> Result<u64, StorageError> {
        self.0.put_part(part, kept).await
    }

    async fn read_part(
        &self,
        user: &UserId,
        parcel: (Uuid, DeviceId),
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.read_part(user, parcel, offset).await
    }

    async fn keep_parcels(&self, user: &UserId, kept: &[KeptParcel]) -> Result<(), StorageError> {
        self.0.keep_parcels(user, kept).await
    }

    async fn prune_parcels(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.0.prune_parcels(before).await
    }
}

#[async_trait]
impl Storage for Slow {
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError> {
        self.pause().await;
        let done = self.0.transact(keys, decide).await;
        self.pause().await;
        done
    }

    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        self.pause().await;
        self.0.heads(user, token, limit).await
    }

    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.pause().await;
        self.0.page(user, stream, cursor, limit).await
    }

    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        self.pause().await;
        self.0.history(user, cid, from, limit).await
    }

    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError> {
        self.pause().await;
        self.0.ask(user, question, now).await
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.pause().await;
        self.0.members(cid).await
    }

    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.pause().await;
        self.0.prune_results(before).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

async fn world() -> (Hub, MemoryStorage) {
    let storage = MemoryStorage::new(Epoch(1));
    let slow = Arc::new(Slow(storage.clone()));
    let hub = start_on(slow, &Arc::new(ManualClock::default()), HubConfig::default());
    let made = hub.ops(&user("ada"), vec![envelope(create(&["bob"]))]).await;
    steps(&made[0].outcome);
    (hub, storage)
}

/// Returns the number of the message that a result stored.
fn seq_of(result: &OpResult) -> u64 {
    let rows = steps(&result.outcome).iter().flat_map(|step| &step.rows);
    let mut seqs = rows.filter_map(|row| match row {
        Row::Message(message) => Some(message.seq),
        _ => None,
    });
    seqs.next_back().expect("a message")
}

/// Returns every message that is stored, with its number.
async fn stored(storage: &MemoryStorage) -> BTreeMap<u64, MessageId> {
    let (mut all, mut before) = (BTreeMap::new(), u64::MAX);
    loop {
        let page = storage
            .history(
                &user("ada"),
                &cid(),
                HistoryFrom::Before(before),
                limits::PAGE_ROWS,
            )
            .await;
        let rows = page.unwrap().rows;
        all.extend(rows.iter().filter_map(|row| match row {
            Row::Message(message) => Some((message.seq, message.id)),
            _ => None,
        }));
        match all.keys().next() {
            Some(first) if !rows.is_empty() && *first > 1 => before = *first,
            _ => return all,
        }
    }
}

/// Takes one message after the other, and has to number them without a hole.
#[async_trait]
trait Door {
    /// Returns the number of the message once it is safe.
    async fn send(&self) -> u64;

    /// Returns the numbers of what is stored.
    async fn numbers(&self) -> Vec<u64>;
}

struct ThroughTheHub(Hub, MemoryStorage);

#[async_trait]
impl Door for ThroughTheHub {
    async fn send(&self) -> u64 {
        let results = self.0.ops(&user("ada"), vec![envelope(send("hello"))]).await;
        seq_of(&results[0])
    }

    async fn numbers(&self) -> Vec<u64> {
        stored(&self.1).await.into_keys().collect()
    }
}

/// What a server must not be: the work is done in the caller's own future, in two steps.
#[derive(Default)]
struct InTheRequest {
    next: AtomicU64,
    stored: Mutex<Vec<u64>>,
}

#[async_trait]
impl Door for InTheRequest {
    async fn send(&self) -> u64 {
        let number = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        yield_now().await;
        self.stored.lock().unwrap().push(number);
        yield_now().await;
        number
    }

    async fn numbers(&self) -> Vec<u64> {
        self.stored.lock().unwrap().clone()
    }
}

/// Gives up a message at every moment, with one after each that is waited for. Returns what is wrong.
async fn give_up_everywhere(door: &impl Door) -> Result<(), String> {
    let mut answered = Vec::new();
    for moment in Moment::all(POLLS, TURNS) {
        answered.extend(dropped_at(moment, door.send()).await);
        let next = timeout(PATIENCE, door.send()).await;
        answered.push(next.map_err(|_| format!("nobody is served after {moment:?}"))?);
    }
    let numbers = door.numbers().await;
    if let Some(lost) = answered.iter().find(|number| !numbers.contains(number)) {
        return Err(format!("message {lost} was answered, and is not there"));
    }
    let count = numbers.len() as u64;
    if !numbers.iter().copied().eq(1..=count) {
        return Err(format!("there is a hole: {numbers:?}"));
    }
    Ok(())
}

#[tokio::test]
async fn operations_of_a_caller_who_goes_away_at_any_moment_are_done_or_not() {
    let (hub, storage) = world().await;
    give_up_everywhere(&ThroughTheHub(hub.clone(), storage))
        .await
        .unwrap();
    hub.close().await;
}

#[tokio::test]
async fn a_server_that_works_in_the_request_itself_is_found_out() {
    let wrong = give_up_everywhere(&InTheRequest::default()).await.unwrap_err();
    assert!(wrong.starts_with("there is a hole"), "{wrong}");
}

#[tokio::test]
async fn what_was_given_up_can_be_asked_for_again_and_happens_once() {
    let (hub, storage) = world().await;
    let mut sent = Vec::new();
    for moment in Moment::all(POLLS, TURNS) {
        let batch: Vec<OpEnvelope> = (0..3).map(|_| envelope(send("hello"))).collect();
        let first = dropped_at(moment, hub.ops(&user("ada"), batch.clone())).await;
        let again = hub.ops(&user("ada"), batch).await;
        let seqs = |results: &[OpResult]| results.iter().map(seq_of).collect::<Vec<_>>();
        assert!(
            first.is_none_or(|first| seqs(&first) == seqs(&again)),
            "the answer changed after {moment:?}"
        );
        sent.extend(seqs(&again));
    }
    assert!(sent.iter().copied().eq(1..=sent.len() as u64), "{sent:?}");
    assert!(stored(&storage).await.into_keys().eq(sent));
    hub.close().await;
}

#[tokio::test]
async fn frames_and_connections_that_are_dropped_at_any_moment_leave_no_trace_but_their_operations() {
    let (hub, storage) = world().await;
    let mut listener = Client::connect(&hub, "bob").await;
    let mut answered: Vec<(OpId, u64)> = Vec::new();
    for (at, moment) in Moment::all(POLLS, TURNS).enumerate() {
        dropped_at(moment, hub.hello(hello("ada"), &Names)).await;
        let mut ada = Client::connect(&hub, "ada").await;
        let ops = vec![envelope(send("one")), envelope(send("two"))];
        let frame = match at % 4 {
            0 => ClientFrame::Heads(Heads { id: 1, since: None }),
            1 => ClientFrame::Sync(Sync {
                id: 1,
                stream: StreamId::Channel(cid()),
                cursor: None,
                newest: None,
            }),
            2 => ClientFrame::History(History {
                id: 1,
                cid: cid(),
                from: HistoryFrom::Before(u64::MAX),
                limit: 10,
            }),
            _ => ClientFrame::Ops(Ops { ops: ops.clone() }),
        };
        dropped_at(moment, ada.session.handle(frame)).await;
        // The same connection goes on, and so does one whose frames were only half taken.
        let once = Moment {
            polls: moment.polls.min(1),
            ..moment
        };
        dropped_at(once, ada.outbound.next_batch()).await;
        ada.session.handle(ClientFrame::Ops(Ops { ops })).await.unwrap();
        drop(ada);
        let last = envelope(send("last"));
        let result = timeout(PATIENCE, hub.ops(&user("ada"), vec![last])).await;
        let result = result.expect("an answer").remove(0);
        answered.push((result.id, seq_of(&result)));
    }
    let there = stored(&storage).await;
    assert!(there.keys().copied().eq(1..=there.len() as u64), "a hole");
    assert!(answered.iter().all(|(_, seq)| there.contains_key(seq)));
    // Whoever listened has heard of each once, in order.
    let events = listener.events().await;
    let mut head = None;
    for event in events
        .iter()
        .filter(|event| event.stream == StreamId::Channel(cid()))
    {
        assert!(head.is_none_or(|head| head == event.from), "a step is missing");
        head = Some(event.to);
    }
    let heard = events.iter().flat_map(|event| &event.rows);
    let heard = heard.filter(|row| matches!(row, Row::Message(_))).count();
    assert_eq!(heard, there.len());
    drop(listener);
    // What was abandoned is not counted as a connection.
    assert_eq!(hub.connections(), 0);
    hub.close().await;
}

#[tokio::test]
async fn a_close_that_is_given_up_is_a_close_all_the_same() {
    for moment in Moment::all(3, TURNS).filter(|moment| moment.polls > 0) {
        let (hub, storage) = world().await;
        let op = envelope(send("before"));
        let user = user("ada");
        let (results, _) = tokio::join!(
            hub.ops(&user, vec![op]),
            dropped_at(moment, async {
                yield_now().await;
                hub.close().await;
            })
        );
        let refused = matches!(&results[0].outcome, whimbrel_protocol::Outcome::Retry { .. });
        assert_eq!(stored(&storage).await.len(), usize::from(!refused));
        timeout(PATIENCE, hub.close()).await.expect("it ends");
    }
}
