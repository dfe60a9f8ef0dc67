//! Clients that go away at any moment: what was answered is on disk with its numbers, the numbers have no hole, no
//! transaction is left open, and whoever comes next is served.

use crate::support::{Fixture, Http, Socket, accepted, cid, create, hello, send, user, within};
use async_trait::async_trait;
use futures_util::SinkExt;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{Mutex, watch},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::Message as Word;
use whimbrel_hub::{Hub, HubConfig, Request, Rules, Storage, SystemClock, apply_group};
use whimbrel_model::{Head, OpEnvelope, OpId, Row, StreamId, Timestamp};
use whimbrel_protocol::{ClientFrame, OpResult, Ops, Outcome, encode};
use whimbrel_server::{OpenError, SqliteReader, SqliteStorage};
use whimbrel_testkit::{
    dice::Dice,
    dropped::{Moment, dropped_at},
};

const CHANNEL: &str = "messaging:general";

/// More polls than a request takes.
const POLLS: usize = 12;

/// Where an operation ended up: the numbers that its answer named.
type Place = (u64, u64);

/// Everything that was answered.
#[derive(Default)]
struct Answered(BTreeMap<OpId, Place>);

impl Answered {
    /// Notes an answer. A second one to the same operation has to be the same.
    fn note(&mut self, result: &OpResult) {
        let Outcome::Accepted { steps } = &result.outcome else {
            panic!("not accepted: {result:?}");
        };
        let rows = steps.iter().flat_map(|step| &step.rows);
        let mut place = rows.filter_map(|row| match row {
            Row::Message(message) => Some((message.seq, message.ver)),
            _ => None,
        });
        let place = place.next_back().expect("a message");
        let earlier = self.0.insert(result.id, place);
        assert!(
            earlier.is_none_or(|earlier| earlier == place),
            "the answer changed"
        );
    }

    /// Compares with what is on disk. `ops` says which message an operation was about.
    async fn check(&self, database: &Path, ops: &BTreeMap<OpId, OpEnvelope>) {
        let reader = SqliteReader::open(database).await.unwrap();
        let dump = reader.dump().await.unwrap();
        reader.close().await;
        let mut stored = BTreeMap::new();
        for row in &dump.rows {
            if let Row::Message(message) = row {
                let twice = stored.insert(message.id, (message.seq, message.ver));
                assert!(twice.is_none(), "a message is there twice");
            }
        }
        for (op, place) in &self.0 {
            let id = ops[op].op.message().expect("a message");
            assert_eq!(
                stored.get(&id),
                Some(place),
                "an answered message is not where it was said"
            );
        }
        let mut seqs: Vec<u64> = stored.values().map(|(seq, _)| *seq).collect();
        seqs.sort_unstable();
        let count = seqs.len() as u64;
        assert!(seqs.into_iter().eq(1..=count), "the numbers have a hole");
        let stream = StreamId::Channel(cid(CHANNEL));
        let rows = dump.rows.iter().filter(|row| row.stream() == stream).count() as u64;
        let Head { ver, seq } = dump.heads.iter().find(|(name, _)| *name == stream).unwrap().1;
        assert_eq!((rows, count), (ver, seq), "a change was counted and not stored");
    }
}

async fn hub_on(path: &Path) -> (Hub, Arc<SqliteStorage>) {
    let storage = Arc::new(SqliteStorage::open(path).await.unwrap());
    let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
    let made = hub.ops(&user("ada"), vec![create(CHANNEL, &[])]).await;
    assert!(accepted(&made[0]));
    (hub, storage)
}

/// Numbers messages on a disk.
#[async_trait]
trait Door: Send + Sync {
    /// Returns the number of a new message once it is safe, or that it could not be stored.
    async fn send(&self) -> Option<u64>;
}

struct ThroughTheHub(Hub);

#[async_trait]
impl Door for ThroughTheHub {
    async fn send(&self) -> Option<u64> {
        let results = self.0.ops(&user("ada"), vec![send(CHANNEL, "hello")]).await;
        let mut answered = Answered::default();
        answered.note(&results[0]);
        answered.0.into_values().next().map(|(seq, _)| seq)
    }
}

/// What a server must not be: the request's own future holds the transaction.
struct InTheRequest(Mutex<SqliteConnection>);

impl InTheRequest {
    async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let schema = "PRAGMA journal_mode = WAL; CREATE TABLE messages (seq INTEGER PRIMARY KEY)";
        sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
        Self(Mutex::new(connection))
    }
}

#[async_trait]
impl Door for InTheRequest {
    async fn send(&self) -> Option<u64> {
        let mut connection = self.0.lock().await;
        let begun = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await;
        let insert =
            "INSERT INTO messages (seq) SELECT coalesce(max(seq), 0) + 1 FROM messages RETURNING seq";
        let seq: i64 = sqlx::query_scalar(insert)
            .fetch_one(&mut *connection)
            .await
            .ok()?;
        // Who is within a transaction already lets that one commit: so does many a pool's `begin`.
        if begun.is_ok() {
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await.ok()?;
        }
        u64::try_from(seq).ok()
    }
}

/// Gives a message up at every moment, with one after each that is waited for. Returns the numbers that were answered.
async fn give_up_everywhere(door: &impl Door) -> Vec<u64> {
    let mut answered = Vec::new();
    for moment in Moment::all(POLLS, 8) {
        answered.extend(dropped_at(moment, door.send()).await.flatten());
        answered.extend(within("the next one", door.send()).await);
    }
    answered
}

#[tokio::test]
async fn what_was_answered_is_on_disk_whenever_others_give_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let (hub, storage) = hub_on(&path).await;
    let answered = give_up_everywhere(&ThroughTheHub(hub.clone())).await;
    let reader = SqliteReader::open(&path).await.unwrap();
    let dump = reader.dump().await.unwrap();
    reader.close().await;
    let seqs = dump.rows.iter().filter_map(|row| match row {
        Row::Message(message) => Some(message.seq),
        _ => None,
    });
    let mut seqs: Vec<u64> = seqs.collect();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    assert!(answered.iter().all(|seq| seqs.contains(seq)));
    hub.close().await;
    storage.close().await;
}

/// The same harness finds what it is there to find.
#[tokio::test]
async fn a_request_that_holds_its_transaction_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("naive.db");
    let door = InTheRequest::open(&path).await;
    // Another connection sees what is committed.
    let mut other = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    // How often a request is polled depends on the database's own thread: a moment within the transaction may be missed.
    for _ in 0..20 {
        let answered = give_up_everywhere(&door).await;
        let stored: Vec<i64> = sqlx::query_scalar("SELECT seq FROM messages")
            .fetch_all(&mut other)
            .await
            .unwrap();
        let is_stored = |seq: &u64| stored.iter().any(|stored| stored.unsigned_abs() == *seq);
        if !answered.iter().all(is_stored) {
            return;
        }
    }
    panic!("nothing was lost: the harness drops nothing");
}

#[tokio::test]
async fn a_transaction_whose_caller_goes_away_is_whole_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.db");
    let (hub, storage) = hub_on(&path).await;
    hub.close().await;
    let (mut answered, mut ops) = (Answered::default(), BTreeMap::new());
    for moment in Moment::all(POLLS, 8) {
        let request = |op: OpEnvelope| Request {
            user: user("ada"),
            op,
        };
        let group: Vec<Request> = (0..3).map(|_| request(send(CHANNEL, "hello"))).collect();
        ops.extend(group.iter().map(|request| (request.op.id, request.op.clone())));
        dropped_at(
            moment,
            apply_group(&*storage, &Rules::default(), Timestamp(1), &group),
        )
        .await;
        let next = [request(send(CHANNEL, "next"))];
        ops.insert(next[0].op.id, next[0].op.clone());
        let applied = within(
            "the next one",
            apply_group(&*storage, &Rules::default(), Timestamp(1), &next),
        )
        .await;
        answered.note(&OpResult {
            id: next[0].op.id,
            outcome: applied.unwrap().remove(0).outcome,
        });
        // All of a group, or nothing.
        let heads = storage.heads(&user("ada"), None, 10).await.unwrap();
        let stream = StreamId::Channel(cid(CHANNEL));
        let head = heads
            .heads
            .iter()
            .find(|head| head.stream == stream)
            .unwrap()
            .head;
        let messages = head.seq - answered.0.len() as u64;
        assert_eq!(messages % 3, 0, "a part of a group was stored");
        dropped_at(moment, storage.prune_results(Timestamp(0))).await;
    }
    answered.check(&path, &ops).await;
    storage.close().await;
}

#[tokio::test]
async fn a_request_that_is_cut_off_at_any_byte_is_whole_and_harms_nobody() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    ada.ops(vec![create(CHANNEL, &[])]).await;
    let (mut answered, mut ops) = (Answered::default(), BTreeMap::new());
    let mut cut = 0;
    loop {
        let op = send(CHANNEL, "cut off");
        ops.insert(op.id, op.clone());
        let request = request_of(&ada, op);
        if cut > request.len() {
            break;
        }
        let mut stream = TcpStream::connect(fixture.server.addr).await.unwrap();
        stream.write_all(&request[..cut]).await.unwrap();
        drop(stream);
        // Every byte of the end, where it matters; else every seventh.
        cut += if cut + 40 > request.len() { 1 } else { 7 };
    }
    // Those that arrived as a whole were decided or not; asked for again, each happens once.
    for batch in ops.values().cloned().collect::<Vec<_>>().chunks(20) {
        for result in &ada.ops(batch.to_vec()).await {
            answered.note(result);
        }
    }
    answered.check(&fixture.database(), &ops).await;
    fixture.stop().await;
}

fn request_of(http: &Http, op: OpEnvelope) -> Vec<u8> {
    let body = serde_json::to_string(&Ops { ops: vec![op] }).unwrap();
    (http.head("POST", "/v1/ops", &[], body.len()) + &body).into_bytes()
}

/// How a peer goes.
#[derive(Clone, Copy, Debug)]
enum Parting {
    /// Says goodbye.
    Close,
    /// The socket is just closed, with what it was sent unread.
    Drop,
    /// In the middle of a frame: its head promises more than comes.
    HalfAFrame,
}

impl Parting {
    async fn carry_out(self, mut socket: Socket) {
        match self {
            Self::Close => drop(socket.0.close(None).await),
            Self::Drop => {}
            Self::HalfAFrame => {
                let stream = socket.0.get_mut();
                // A masked text frame of 100 bytes, of which 3 come.
                drop(stream.write_all(&[0x81, 0x80 | 100, 1, 2, 3, 4, 5, 6, 7]).await);
            }
        }
    }
}

/// One socket that leaves after so many frames of what it says: hello, three frames of operations, with what it reads
/// between.
async fn leave_after(fixture: &Fixture, frames: usize, reads: bool, parting: Parting, log: &mut Log) {
    let mut socket = fixture.socket().await;
    for frame in 0..frames {
        if frame == 0 {
            socket
                .send(&ClientFrame::Hello(hello(&fixture.token("ada"))))
                .await;
            if reads {
                socket.ready().await;
            }
            continue;
        }
        let ops: Vec<_> = (0..4).map(|_| send(CHANNEL, "hello")).collect();
        log.ops.extend(ops.iter().map(|op| (op.id, op.clone())));
        if reads {
            let results = socket.ops(ops).await;
            results.iter().for_each(|result| log.answered.note(result));
        } else {
            socket.send(&ClientFrame::Ops(Ops { ops })).await;
        }
    }
    parting.carry_out(socket).await;
}

#[derive(Default)]
struct Log {
    answered: Answered,
    ops: BTreeMap<OpId, OpEnvelope>,
}

#[tokio::test]
async fn a_socket_that_leaves_at_any_frame_leaves_what_was_answered() {
    let fixture = Fixture::start().await;
    let ada = fixture.http_as("ada");
    ada.ops(vec![create(CHANNEL, &[])]).await;
    let mut log = Log::default();
    for frames in 0..=4 {
        for reads in [true, false] {
            for parting in [Parting::Close, Parting::Drop, Parting::HalfAFrame] {
                leave_after(&fixture, frames, reads, parting, &mut log).await;
                let next = send(CHANNEL, "next");
                log.ops.insert(next.id, next.clone());
                let results = within("the next one", ada.ops(vec![next])).await;
                log.answered.note(&results[0]);
            }
        }
    }
    log.answered.check(&fixture.database(), &log.ops).await;
    fixture.stop().await;
}

/// Sockets and requests that leave at random moments of a busy server, a few thousand of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_who_leave_at_random_moments_lose_nothing_that_was_answered() {
    const CALLERS: u64 = 8;
    const REQUESTS: u64 = 250;
    let fixture = Arc::new(Fixture::start().await);
    fixture.http_as("ada").ops(vec![create(CHANNEL, &[])]).await;
    let (over, watched) = watch::channel(());
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let fixture = fixture.clone();
        callers.spawn(async move {
            let mut dice = Dice::from_state(caller + 1);
            let mut log = Log::default();
            for _ in 0..REQUESTS {
                leave_at_random(&fixture, &mut dice, &mut log).await;
            }
            log
        });
    }
    // One who stays is served all the time.
    let stayer = {
        let fixture = fixture.clone();
        JoinSet::from_iter([async move {
            let mut log = Log::default();
            let mut socket = fixture.login("ada").await;
            while !watched.has_changed().is_ok_and(|over| over) {
                let op = send(CHANNEL, "still here");
                log.ops.insert(op.id, op.clone());
                let results = within("the one who stays", socket.ops(vec![op])).await;
                log.answered.note(&results[0]);
            }
            log
        }])
    };
    let mut all = Log::default();
    let mut collect = |log: Log| {
        all.answered.0.extend(log.answered.0);
        all.ops.extend(log.ops);
    };
    // Each request of theirs has its own deadline.
    callers.join_all().await.into_iter().for_each(&mut collect);
    over.send(()).unwrap();
    stayer.join_all().await.into_iter().for_each(&mut collect);
    let unanswered = all.ops.len() - all.answered.0.len();
    assert!(
        unanswered > 100 && all.answered.0.len() > 100,
        "{unanswered} of {} were given up",
        all.ops.len()
    );
    all.answered.check(&fixture.database(), &all.ops).await;
    // What nobody waited for happens once, when it is asked for again.
    let http = fixture.http_as("ada");
    for batch in all.ops.values().cloned().collect::<Vec<_>>().chunks(50) {
        for result in &http.ops(batch.to_vec()).await {
            all.answered.note(result);
        }
    }
    all.answered.check(&fixture.database(), &all.ops).await;
    Arc::into_inner(fixture).expect("nobody else has it").stop().await;
}

async fn leave_at_random(fixture: &Fixture, dice: &mut Dice, log: &mut Log) {
    let ops: Vec<_> = (0..=dice.below(3)).map(|_| send(CHANNEL, "hello")).collect();
    log.ops.extend(ops.iter().map(|op| (op.id, op.clone())));
    let moment = Moment {
        polls: dice.index(10),
        turns: dice.index(20),
    };
    if dice.below(2) == 0 {
        let http = fixture.http_as("ada");
        let results = dropped_at(moment, http.ops(ops)).await;
        results
            .iter()
            .flatten()
            .for_each(|result| log.answered.note(result));
        return;
    }
    let mut socket = fixture.socket().await;
    let words = [
        ClientFrame::Hello(hello(&fixture.token("ada"))),
        ClientFrame::Ops(Ops { ops: ops.clone() }),
    ];
    for word in words {
        let text = String::from_utf8(encode(&word).unwrap()).unwrap();
        // The server may have ended it: one user has a limited number of sockets.
        if socket.0.send(Word::text(text)).await.is_err() {
            return;
        }
    }
    let reading = async {
        let mut results = Vec::new();
        while results.len() < ops.len() {
            match socket.next().await {
                Ok(whimbrel_protocol::ServerFrame::Results(more)) => results.extend(more.results),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        results
    };
    let results = dropped_at(moment, reading).await;
    results
        .iter()
        .flatten()
        .for_each(|result| log.answered.note(result));
}

#[tokio::test]
async fn opening_that_is_given_up_leaves_a_database_that_opens() {
    let mut given_up = 0;
    for moment in Moment::all(30, 1) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.db");
        let opened = dropped_at(moment, SqliteStorage::open(&path)).await;
        given_up += usize::from(opened.is_none());
        if let Some(storage) = opened {
            storage.unwrap().close().await;
        }
        let storage = within("the lock to be free", async {
            loop {
                // What was given up is released a moment later.
                match SqliteStorage::open(&path).await {
                    Ok(storage) => break storage,
                    Err(error) => assert!(matches!(error, OpenError::InUse { .. }), "{error}"),
                }
            }
        })
        .await;
        storage.ping().await.unwrap();
        storage.close().await;
    }
    assert!(given_up > 3, "{given_up}");
}
