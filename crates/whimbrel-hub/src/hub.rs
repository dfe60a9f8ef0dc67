use crate::{
    Authenticate, Clock, Outbound, Rules, Session, Storage, StorageError,
    authenticate::AuthError,
    feed::capped_snapshot,
    outbound::{Mailbox, bye, encode_frame},
    presence::{self, PresenceDesk},
    registry::{Connection, Registry, token_expired},
    writer::{Reply, Submission, Writer, unavailable},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;
use whimbrel_model::{ChannelId, Code, Cursor, HistoryFrom, OpEnvelope, StreamId, Timestamp, UserId, limits};
use whimbrel_protocol::{
    Answer, AskPresence, Bye, HeadsPage, Hello, HistoryPage, OpResult, PROTOCOL, Page, Question, Ready, ServerFrame,
    UserTyping,
};

/// How often results that are past their retention are pruned: rare, for they are kept for days.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// How a [`Hub`] behaves. The defaults suit one process with some ten thousand connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubConfig {
    /// How often a client has to be heard; a connection that is silent for two and a half of these is ended.
    /// Default 30 s: below the idle time-outs of common proxies (60 s), and cheap.
    pub heartbeat: Duration,
    /// Operations beyond which a group takes no further batch. Default 256: the cost of a commit is well spread by
    /// then, and the statements stay small.
    pub group_ops: usize,
    /// Batches that wait for the writer; more wait at their connection. Default 256: a full group of single sends.
    pub queue: usize,
    /// Bytes of events and results that wait for one connection; more end it with `slow_consumer`. Default 1 MiB:
    /// one frame of the largest size.
    pub outbound_bytes: usize,
    /// Connections of one user. Default 50: every device and browser tab of a person, and an end to a loop.
    pub connections_per_user: usize,
    /// After what time a client may ask again what could not be done. Default 1 s: a database that fails needs air.
    pub retry_after: Duration,
    /// For how long somebody whose last connection has ended is still told to be online. Default 10 s: a phone that changes its
    /// network is back by then.
    pub presence_grace: Duration,
    /// Channels whose members are kept in memory for fan-out; beyond it they are read again. Default 10,000.
    pub cached_channels: usize,
    /// What the operator decides for each type of channel. Default: everything everywhere.
    pub rules: Rules,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            group_ops: 256,
            queue: 256,
            outbound_bytes: limits::FRAME_BYTES,
            connections_per_user: 50,
            retry_after: Duration::from_secs(1),
            presence_grace: Duration::from_secs(10),
            cached_channels: 10_000,
            rules: Rules::default(),
        }
    }
}

/// The running server: one writer, the live connections, and the readers over one [`Storage`].
///
/// A clone is another handle to the same hub. [`Hub::close`], or dropping the last handle and session, ends its tasks.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    config: HubConfig,
    registry: Arc<Registry>,
    presence: Arc<PresenceDesk>,
    writer: mpsc::Sender<Submission>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Hub {
    /// Starts the writer and the housekeeping on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without its timer.
    #[must_use]
    pub fn start(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, config: HubConfig) -> Self {
        let (writer, queue) = mpsc::channel(config.queue.max(1));
        let registry = Arc::new(Registry::default());
        let presence = Arc::new(PresenceDesk::new(clock.clone(), config.presence_grace));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let task = Writer::new(storage.clone(), clock.clone(), config.clone(), registry.clone());
        tasks.spawn(task.run(queue, stop.clone()));
        let keeper = Housekeeper {
            storage: storage.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
            presence: presence.clone(),
            heartbeat: config.heartbeat,
            presence_grace: config.presence_grace,
        };
        tasks.spawn(keeper.run(stop.clone()));
        tasks.close();
        Self(Arc::new(Inner {
            storage,
            clock,
            config,
            registry,
            presence,
            writer,
            tasks,
            stop,
        }))
    }

    /// Opens a connection. From its return on, every event that the user may see goes to the [`Outbound`], whose first
    /// frame is `ready`.
    ///
    /// # Errors
    /// The [`Bye`] to answer with as the only frame: `protocol_unsupported`, `token_missing`, `token_invalid`,
    /// `token_expired`, `too_large` for a status, `rate_limited` for too many connections of the user, `server_stopping`, `unavailable`.
    pub async fn hello(&self, hello: Hello, auth: &dyn Authenticate) -> Result<(Session, Outbound), Bye> {
        let hub = &self.0;
        let protocol = PROTOCOL.common(hello.protocol).ok_or_else(|| Bye {
            protocol: Some(PROTOCOL),
            ..bye(
                Code::ProtocolUnsupported,
                "no protocol version is known to both sides: update the older one",
            )
        })?;
        let identity = if hello.token.expose().is_empty() {
            Err(AuthError::Missing)
        } else {
            auth.authenticate(&hello.token).await
        };
        let identity = identity.map_err(|error| Bye {
            retry_after_ms: matches!(error, AuthError::Unavailable(_)).then(|| self.retry_after_ms()),
            ..bye(error.code(), error.to_string())
        })?;
        if identity.has_expired(self.now()) {
            return Err(token_expired());
        }
        if let Err(message) = presence::check(&hello.presence) {
            return Err(bye(Code::TooLarge, message));
        }
        let (mailbox, outbound) = Mailbox::new(hub.config.outbound_bytes);
        let ready = Ready {
            protocol,
            user: identity.user.clone(),
            epoch: hub.storage.epoch(),
            server_time: self.now(),
            heartbeat_ms: millis(hub.config.heartbeat),
            retention_days: limits::RESULT_RETENTION_DAYS,
        };
        if let Some(frame) = encode_frame(&ServerFrame::Ready(ready)) {
            mailbox.push(frame);
        }
        let connection = Connection::new(identity, mailbox);
        hub.registry
            .add(&connection, hub.config.connections_per_user)
            .map_err(|bye| Bye {
                retry_after_ms: bye.retry_after_ms.or_else(|| Some(self.retry_after_ms())),
                ..bye
            })?;
        let (user, mailbox) = (&connection.identity.user, &connection.mailbox);
        let number = hub.presence.join(user, mailbox, hello.presence);
        connection.presence.get_or_init(|| number);
        Ok((Session::new(self.clone(), connection), outbound))
    }

    /// Decides operations of a user, in order, and returns one result each once they are durable.
    ///
    /// More than [`limits::OPS_PER_BATCH`] are decided as several batches.
    ///
    /// Cancellation: the operations are decided all the same, or were not queued; send them again to learn.
    pub async fn ops(&self, user: &UserId, mut ops: Vec<OpEnvelope>) -> Vec<OpResult> {
        let mut results = Vec::with_capacity(ops.len());
        while !ops.is_empty() {
            let rest = ops.split_off(ops.len().min(limits::OPS_PER_BATCH));
            results.extend(self.batch(user, ops).await);
            ops = rest;
        }
        results
    }

    async fn batch(&self, user: &UserId, ops: Vec<OpEnvelope>) -> Vec<OpResult> {
        let ids: Vec<_> = ops.iter().map(|op| op.id).collect();
        let (reply, answer) = oneshot::channel();
        self.submit(Submission::new(user, ops, Reply::Caller(reply)))
            .await;
        answer
            .await
            .unwrap_or_else(|_| unavailable(&ids, "the hub is closed", self.0.config.retry_after))
    }

    /// Reads which streams of a user moved since `token`. The page's `id` is the caller's to fill.
    ///
    /// # Errors
    /// As the storage has them.
    pub async fn heads(&self, user: &UserId, token: Option<&str>) -> Result<HeadsPage, StorageError> {
        let page = self.0.storage.heads(user, token, limits::HEADS_PER_PAGE).await?;
        Ok(HeadsPage {
            server_time: self.now(),
            ..page
        })
    }

    /// Reads the next page of a stream for a user. The page's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not see it, else as the storage has them.
    pub async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
    ) -> Result<Page, StorageError> {
        self.0.storage.page(user, stream, cursor, limits::PAGE_ROWS).await
    }

    /// Reads as [`Hub::page`] does, but of a channel no more than the `newest` messages: if more are new, a snapshot begins that has
    /// only those. While a snapshot comes in it goes on as it began.
    ///
    /// # Errors
    /// As [`Hub::page`].
    pub async fn capped_page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        newest: u32,
    ) -> Result<Page, StorageError> {
        let known = self.0.storage.page(user, stream, cursor, 1).await?;
        let Some(begin) = capped_snapshot(&known, cursor, newest) else {
            return self.page(user, stream, cursor).await;
        };
        let page = self.page(user, stream, Some(begin)).await?;
        Ok(Page { reset: true, ..page })
    }

    /// Reads up to `limit` messages at some place of a channel. The page's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not see it, or the message that names the place is not in the channel, else
    /// as the storage has them.
    pub async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        self.0.storage.history(user, cid, from, limit).await
    }

    /// Finds what a user asks for. The answer's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not see it, [`StorageError::Refused`] for a question that cannot be answered
    /// as it is, else as the storage has them.
    pub async fn ask(&self, user: &UserId, question: &Question) -> Result<Answer, StorageError> {
        self.0.storage.ask(user, question, self.0.clock.now()).await
    }

    /// Returns how many connections are live.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.registry.count()
    }

    /// Ends all connections with `server_stopping`, and refuses new ones. Each is told to come back after
    /// `retry_after` to twice that, evenly spread.
    pub fn drain(&self, retry_after: Duration) {
        self.0.registry.drain(retry_after);
    }

    /// Ends all connections, decides what is queued, and waits for every task. Later operations are answered with
    /// `unavailable`. The storage stays open: close it after.
    pub async fn close(&self) {
        self.drain(self.0.config.retry_after);
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        self.0.registry.remove(connection);
        if let Some(number) = connection.presence.get() {
            self.0.presence.leave(*number);
        }
    }

    pub(crate) fn presence(&self, connection: &Connection, ask: AskPresence) -> Result<(), Bye> {
        match connection.presence.get() {
            Some(number) => self.0.presence.ask(*number, ask),
            None => Ok(()),
        }
    }

    /// Reads the active members of a channel.
    pub(crate) async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.0.storage.members(cid).await
    }

    /// Passes on that `user` types, or no longer does, to the connections of `told` that watch the channel.
    pub(crate) fn tell_typing(&self, told: &[UserId], typing: UserTyping) {
        let stream = StreamId::Channel(typing.cid.clone());
        let frame = || encode_frame(&ServerFrame::Typing(typing));
        self.0.registry.send(&stream, told, None, frame);
    }

    /// Queues operations for the writer; waits while its queue is full.
    pub(crate) async fn submit(&self, submission: Submission) {
        if let Err(refused) = self.0.writer.send(submission).await {
            refused.0.refuse("the hub is closed", self.0.config.retry_after);
        }
    }

    fn retry_after_ms(&self) -> u64 {
        millis(self.0.config.retry_after)
    }
}

/// What has to be done from time to time.
#[derive(Debug)]
struct Housekeeper {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    registry: Arc<Registry>,
    presence: Arc<PresenceDesk>,
    heartbeat: Duration,
    presence_grace: Duration,
}

impl Housekeeper {
    async fn run(self, stop: CancellationToken) {
        let mut sweep = interval((self.heartbeat / 2).max(Duration::from_millis(1)));
        let mut prune = interval(PRUNE_EVERY);
        // Going offline is told at most a tenth of the grace too late.
        let mut presence = interval((self.presence_grace / 10).max(Duration::from_millis(10)));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        presence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = sweep.tick() => self.sweep(),
                _ = presence.tick() => self.presence.tick(),
                _ = prune.tick() => self.prune().await,
            }
        }
    }

    fn sweep(&self) {
        // A lease ends with its connection, whether or not its transport has noticed.
        for number in self.registry.sweep(self.heartbeat.mul_f64(2.5), self.clock.now()) {
            self.presence.leave(number);
        }
    }

    async fn prune(&self) {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let kept = DAY_MS * i64::from(limits::RESULT_RETENTION_DAYS);
        let before = Timestamp(self.clock.now().as_millis().saturating_sub(kept));
        if let Err(error) = self.storage.prune_results(before).await {
            warn!(%error, "old results could not be pruned");
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
