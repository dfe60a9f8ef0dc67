//! P2: messages through a hub into its SQLite file, durable before the answer.
//!
//! Each sender is a connection with a channel of its own and one message on its way. The references are the disk, with
//! the bytes of one commit (for the time of one), and bare SQLite with the same rows, 100 a commit (for how many).

use crate::clock::Stopwatch;
use crate::disk::{Disk, FRAME_BYTES, LOG_FRAMES};
use crate::figure::{Figure, Plan, Result};
use crate::raw::RawSqlite;
use crate::rounds::{Compared, in_turns, median};
use crate::sample;
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;
use whimbrel_hub::{
    AuthError, Authenticate, Hub, HubConfig, Identity, Outbound, Session, Storage as _, SystemClock,
};
use whimbrel_model::{
    ChannelId, Custom, DeviceId, MessageId, MessageKind, Op, OpEnvelope, OpId, StreamId, UserId,
};
use whimbrel_protocol::{ClientFrame, Hello, Ops, OwnPresence, PROTOCOL, Token};
use whimbrel_server::SqliteStorage;

/// Milliseconds that an answer may take over the disk's own.
const OVER_DISK: f64 = 0.15;
/// Part of bare SQLite's rate that must be left.
const OF_RAW: f64 = 0.5;
/// Messages, or syncs of the disk, in one turn of the latency.
const TURN: u64 = 10;
/// Rows in a commit of the reference.
const ROWS_PER_COMMIT: u64 = 100;
/// Frames that the commit of one message appends to the log: the stream's head, the row, and its four indexes.
const FRAMES: u64 = 6;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let mut latencies = Vec::new();
    let mut rates = Vec::new();
    for (senders, messages) in [(1, 400), (16, 100), (256, 40)] {
        let messages = plan.choose(messages, messages / 4);
        let rounds = plan.choose(9, 3);
        let directory = plan.directory.path();
        let mut load = Load::start(&directory.join(format!("hub-{senders}.db")), senders).await?;
        let disk = Disk::create(&directory.join(format!("disk-{senders}")), FRAMES)?;
        // Short turns and many: what else the disk has to do comes and goes within a second.
        let latency = in_turns(
            plan.choose(100, 20),
            async || Ok(load.round(messages.min(TURN)).await?.milliseconds),
            async || Ok(disk.sync(TURN).await? * 1e3),
        )
        .await?;
        let figure = Figure::new("P2", "ingest latency", senders, "ms p50", latency);
        latencies.push(match senders {
            1 => figure.goal("≤ fdatasync + 0.15 ms", is_close(latency)),
            _ => figure,
        });

        let path = directory.join(format!("raw-{senders}.db"));
        let mut raw = RawSqlite::create(&path, ROWS_PER_COMMIT, senders).await?;
        let rows = plan.choose(10_000, 2_000);
        raw.rate(10_000).await?;
        let rate = in_turns(
            rounds,
            async || Ok(load.round(messages).await?.a_second),
            async || raw.rate(rows).await,
        );
        let rate = rate.await?;
        let figure = Figure::new("P2", "ingest rate", senders, "messages/s", rate);
        rates.push(match senders {
            256 => figure.goal("≥ 0.5 × raw SQLite, 100 a commit", rate.ratio >= OF_RAW),
            _ => figure,
        });
        load.stop().await?;
    }
    latencies.extend(rates);
    Ok(latencies)
}

/// Returns whether an answer takes little more than the disk. Each answer waits for the disk itself, so one that is
/// faster than the disk alone shows that the machine was too busy to compare the two.
fn is_close(latency: Compared) -> Option<bool> {
    (latency.value >= latency.reference).then_some(latency.value <= latency.reference + OVER_DISK)
}

/// A hub on its own database, and everyone who sends to it.
struct Load {
    hub: Hub,
    storage: Arc<SqliteStorage>,
    senders: Vec<Sender>,
    sent_by_each: u64,
}

/// What one round gave.
struct Round {
    milliseconds: f64,
    a_second: f64,
}

impl Load {
    async fn start(database: &Path, count: u64) -> Result<Self> {
        let storage = Arc::new(SqliteStorage::open(database).await?);
        let config = HubConfig::default();
        let hub = Hub::start(storage.clone(), Arc::new(SystemClock), config);
        let ids = Arc::new(AtomicU64::new(1));
        let mut senders = Vec::new();
        for number in 0..count {
            senders.push(Sender::connect(&hub, number, ids.clone()).await?);
        }
        let mut load = Self {
            hub,
            storage,
            senders,
            sent_by_each: 0,
        };
        // A log that still grows is slower than one that is written round, which is what a server has after a minute.
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        while std::fs::metadata(&log)?.len() < LOG_FRAMES * FRAME_BYTES {
            load.round(TURN).await?;
        }
        Ok(load)
    }

    /// Lets every sender send `messages`, one after the other.
    async fn round(&mut self, messages: u64) -> Result<Round> {
        let count = self.senders.len() as u64 * messages;
        let mut tasks = JoinSet::new();
        let watch = Stopwatch::start();
        for sender in self.senders.drain(..) {
            tasks.spawn(sender.send(messages));
        }
        let mut samples = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (sender, seconds) = done??;
            self.senders.push(sender);
            samples.extend(seconds);
        }
        let elapsed = watch.seconds();
        self.sent_by_each += messages;
        Ok(Round {
            milliseconds: median(samples) * 1e3,
            a_second: count as f64 / elapsed,
        })
    }

    /// Checks that all that was answered is stored, and ends.
    async fn stop(self) -> Result<()> {
        for sender in &self.senders {
            let stream = StreamId::Channel(sender.cid.clone());
            let page = self.hub.page(&sender.user, &stream, None).await?;
            if page.head.seq != self.sent_by_each {
                return Err(format!(
                    "{} has {} messages, {} were answered",
                    sender.cid, page.head.seq, self.sent_by_each
                )
                .into());
            }
        }
        drop(self.senders);
        self.hub.close().await;
        self.storage.close().await;
        Ok(())
    }
}

/// One connection, with a channel of its own.
struct Sender {
    user: UserId,
    cid: ChannelId,
    session: Session,
    outbound: Outbound,
    /// The number of the next id, of all senders together: as by a clock, they grow from one commit to the next.
    ids: Arc<AtomicU64>,
}

impl Sender {
    async fn connect(hub: &Hub, number: u64, ids: Arc<AtomicU64>) -> Result<Self> {
        let (user, cid) = (sample::user(number)?, sample::channel(number)?);
        let hello = Hello {
            protocol: PROTOCOL,
            token: Token::new(user.as_str()),
            device: DeviceId(sample::id(number)),
            agent: "bench".to_owned(),
            presence: OwnPresence::default(),
            background: false,
        };
        let welcome = hub.hello(hello, &Anyone).await;
        let (session, outbound) = welcome.map_err(|bye| format!("{}: {}", bye.code, bye.message))?;
        let mut sender = Self {
            user,
            cid,
            session,
            outbound,
            ids,
        };
        let cid = sender.cid.clone();
        sender
            .answered(Op::CreateChannel {
                cid,
                name: String::new(),
                image: String::new(),
                custom: Custom::default(),
                members: Vec::new(),
            })
            .await?;
        Ok(sender)
    }

    /// Sends `count` messages, and gives the sender back with the seconds that each took.
    async fn send(mut self, count: u64) -> Result<(Self, Vec<f64>)> {
        let mut seconds = Vec::new();
        for _ in 0..count {
            let number = self.number();
            let op = Op::SendMessage {
                cid: self.cid.clone(),
                id: MessageId(sample::id(number)),
                body: sample::body(number),
                parent: None,
                show_in_channel: false,
                quoted: None,
                kind: MessageKind::Regular,
                silent: false,
            };
            let watch = Stopwatch::start();
            self.answered(op).await?;
            seconds.push(watch.seconds());
        }
        Ok((self, seconds))
    }

    fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends one operation and waits for its answer. What the answer says is checked at the end, all at once: reading
    /// it here would be a second load on the same cores.
    async fn answered(&mut self, op: Op) -> Result<()> {
        let envelope = OpEnvelope {
            id: OpId(sample::id(self.number())),
            op,
            composed_at: sample::written(),
            after: None,
        };
        let frame = ClientFrame::Ops(Ops { ops: vec![envelope] });
        let handled = self.session.handle(frame).await;
        handled.map_err(|bye| format!("{}: {}", bye.code, bye.message))?;
        loop {
            let frames = self.outbound.next_batch().await.ok_or("the connection ended")?;
            if frames.iter().any(|frame| frame.starts_with(br#"{"results""#)) {
                return Ok(());
            }
        }
    }
}

/// Takes the token for the name of the user.
#[derive(Debug)]
struct Anyone;

#[async_trait]
impl Authenticate for Anyone {
    async fn authenticate(&self, token: &Token) -> std::result::Result<Identity, AuthError> {
        let user = UserId::new(token.expose()).map_err(|error| AuthError::Invalid(error.to_string()))?;
        Ok(Identity {
            user,
            expires_at: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_before_its_own_sync_proves_nothing() {
        let met = |value, reference| {
            is_close(Compared {
                value,
                reference,
                ratio: value / reference,
            })
        };
        assert_eq!(met(0.2, 0.1), Some(true));
        assert_eq!(met(0.3, 0.1), Some(false));
        assert_eq!(met(0.3, 4.0), None);
    }
}
