//! P5: an own message from the call that sends it to the observer that shows it, durable, without a network.
//!
//! The reference is bare SQLite that commits the one row which such a message is on the device: the outbox item, in
//! the client's schema and with its settings.

use crate::clock::Stopwatch;
use crate::figure::{Figure, Plan, Result};
use crate::rounds::{Compared, median, percentile};
use crate::sample;
use futures_util::StreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use whimbrel::{Channel, Client, Defaults as _, Diffs, SqliteStore, Timeline, TimelineItem};
use whimbrel_model::{Change, Delta, MessageId, MessageKind, Op, RangeSet, Row};
use whimbrel_store::Store as _;

/// How much longer than the bare commit it may take in the middle.
const OVER_MEDIAN: f64 = 2.0;
/// Milliseconds over the bare commit that one of a hundred may take.
const OVER_SLOWEST: f64 = 1.0;
/// Messages in one turn.
const TURN: usize = 10;
/// Commits in which the messages are stored when a database is made.
const COMMITS: u64 = 100;
/// Turns before the first that counts. A log that still grows is slower than one that is written round, which is what
/// a client has that is in use.
const WARM_UP: usize = 30;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut medians, mut slowest) = (Vec::new(), Vec::new());
        for size in [1_000, 10_000, 100_000] {
            let [middle, slow] = at(size, plan).await?;
            medians.push(middle);
            slowest.push(slow);
        }
        medians.extend(slowest);
        Ok(medians)
    })
}

async fn at(size: u64, plan: &Plan) -> Result<[Figure; 2]> {
    let directory = plan.directory.path();
    let mut subject = Subject::open(&directory.join(format!("client-{size}.db")), size).await?;
    let mut reference = Bare::open(&directory.join(format!("bare-{size}.db")), size).await?;
    let (mut values, mut references, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + plan.choose(200, 20) {
        let (bare, echo) = (reference.commit(TURN).await?, subject.send(TURN).await?);
        if round >= WARM_UP {
            ratios.push(median(echo.clone()) / median(bare.clone()));
            values.extend(echo);
            references.extend(bare);
        }
    }
    subject.client.close().await;
    let middle = Compared {
        value: median(values.clone()),
        reference: median(references.clone()),
        ratio: median(ratios),
    };
    let (value, bare) = (percentile(values, 0.99), percentile(references, 0.99));
    let slow = Compared {
        value,
        reference: bare,
        ratio: value / bare,
    };
    Ok([
        Figure::new("P5", "echo", size, "ms p50", middle)
            .goal("≤ 2 × the bare commit", middle.ratio <= OVER_MEDIAN),
        Figure::new("P5", "echo at worst", size, "ms p99", slow)
            .goal("≤ the bare commit + 1 ms", is_close(slow, middle)),
    ])
}

/// Returns whether one of a hundred is close to the bare commit. When the bare commit alone varies by more than what is
/// allowed, the machine was too busy to tell.
fn is_close(slow: Compared, middle: Compared) -> Option<bool> {
    let is_quiet = slow.reference <= middle.reference + OVER_SLOWEST;
    let is_close = slow.value <= slow.reference + OVER_SLOWEST;
    is_quiet.then_some(is_close)
}

/// A client with a database, and an observer of the channel's timeline.
struct Subject {
    client: Client,
    channel: Channel,
    _timeline: Timeline,
    diffs: Diffs<TimelineItem>,
    sent: u64,
}

impl Subject {
    async fn open(path: &Path, size: u64) -> Result<Self> {
        let client = open_client(fill(path, size).await?).await?;
        let channel = client.channel(sample::channel(0)?.as_str())?;
        let timeline = channel.timeline().await?;
        let (_, diffs) = timeline.subscribe();
        Ok(Self {
            client,
            channel,
            _timeline: timeline,
            diffs,
            sent: 0,
        })
    }

    /// Sends messages, one after the other, each until it is shown and the call has returned. Returns the milliseconds
    /// of each.
    async fn send(&mut self, count: usize) -> Result<Vec<f64>> {
        let mut milliseconds = Vec::new();
        for _ in 0..count {
            self.sent += 1;
            let body = sample::body(self.sent);
            let watch = Stopwatch::start();
            let (sent, shown) = tokio::join!(self.channel.send(body), self.diffs.next());
            milliseconds.push(watch.seconds() * 1e3);
            sent?;
            if shown.is_none_or(|batch| batch.is_empty()) {
                return Err("a sent message made no diff".into());
            }
        }
        Ok(milliseconds)
    }
}

/// Makes a database with one channel of `size` messages.
pub(crate) async fn fill(path: &Path, size: u64) -> Result<SqliteStore> {
    let store = SqliteStore::open(path).await?;
    let (cid, author) = (sample::channel(0)?, sample::user(1)?);
    let at_once = size.div_ceil(COMMITS);
    for first in (1..=size).step_by(usize::try_from(at_once)?) {
        let last = size.min(first + at_once - 1);
        let rows = (first..=last).map(|seq| Row::Message(sample::message(&cid, &author, seq)));
        let mut ranges = RangeSet::default();
        ranges.insert(1, last);
        let changes = rows.map(Change::Row);
        let changes = changes.chain([Change::Ranges(cid.clone(), ranges)]).collect();
        store.apply(&Delta { changes }).await?;
    }
    Ok(store)
}

/// Opens a client that never connects.
pub(crate) async fn open_client(store: SqliteStore) -> Result<Client> {
    let client = Client::builder()
        .user("user-0")
        .server("ws://127.0.0.1:9")
        .token("none")
        .store(Arc::new(store));
    Ok(client.open().await?)
}

/// A database of the client, written to without the client.
struct Bare {
    connection: SqliteConnection,
    written: u64,
}

impl Bare {
    async fn open(path: &Path, size: u64) -> Result<Self> {
        fill(path, size).await?.close().await;
        Ok(Self {
            connection: connect(path).await?,
            written: 0,
        })
    }

    /// Commits one row, `count` times. Returns the milliseconds of each.
    async fn commit(&mut self, count: usize) -> Result<Vec<f64>> {
        let mut milliseconds = Vec::new();
        for _ in 0..count {
            self.written += 1;
            let op = Op::SendMessage {
                cid: sample::channel(0)?,
                id: MessageId(sample::id(self.written)),
                body: sample::body(self.written),
                parent: None,
                show_in_channel: false,
                quoted: None,
                kind: MessageKind::Regular,
                silent: false,
            };
            let insert = sqlx::query(
                "INSERT INTO outbox (id, pos, account, op, composed_at, attempted, failures) VALUES (?, ?, ?, ?, ?, 0, 0)",
            )
            .bind(sample::id(self.written).as_bytes().to_vec())
            .bind(i64::try_from(self.written)?)
            .bind("user-0")
            .bind(serde_json::to_string(&op)?)
            .bind(sample::written().as_millis());
            let watch = Stopwatch::start();
            insert.execute(&mut self.connection).await?;
            milliseconds.push(watch.seconds() * 1e3);
        }
        Ok(milliseconds)
    }
}

/// Connects to a client's database with the client's settings.
pub(crate) async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .pragma("wal_autocheckpoint", "1000");
    Ok(SqliteConnection::connect_with(&options).await?)
}
