mod devices;
mod presences;

use crate::{
    Authenticate, BusLink, Clock, Features, Outbound, Rules, Session, Storage, StorageError,
    authenticate::AuthError,
    bus::Courier,
    devices::SeenDesk,
    feed::capped_snapshot,
    outbound::{Mailbox, bye, encode_frame},
    parcels,
    presence::PresenceDesk,
    privacy,
    push::{PushCounts, PushDesk, PushProvider, Pusher},
    registry::{Connection, Registry, token_expired},
    writer::{Reply, Submission, Writer, unavailable},
};
use devices::store_seen;
use presences::PresenceKeeper;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;
use whimbrel_model::{ChannelId, Code, Cursor, HistoryFrom, OpEnvelope, StreamId, Timestamp, UserId, limits};
use whimbrel_protocol::{
    Answer, Bye, HeadsPage, Hello, HistoryPage, OpResult, PROTOCOL, Page, Parcel, ParcelPage, Question,
    Ready, ServerFrame,
};

/// How often results that are past their retention are pruned: rare, for they are kept for days.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often it is stored when devices were seen that have left since.
const SEEN_EVERY: Duration = Duration::from_secs(60);

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
    /// How often servers tell one another who is there; who misses three of them is believed no more. Default 10 s: a server that
    /// was killed leaves nobody online for longer than half a minute.
    pub server_beat: Duration,
    /// For how long a device that was woken and does not connect is not woken for the same channel again. Default 5 min: what
    /// it shows says already that there is something.
    pub push_again: Duration,
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
            server_beat: Duration::from_secs(10),
            push_again: Duration::from_secs(5 * 60),
            cached_channels: 10_000,
            rules: Rules::default(),
        }
    }
}

/// What a server may have beside its database.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Who wakes devices that have no connection.
    pub push: Option<Arc<dyn PushProvider>>,
    /// Where it tells the other servers of the database who is there, and hears of them.
    pub bus: Option<BusLink>,
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
    seen: Arc<SeenDesk>,
    push: Option<Arc<PushDesk>>,
    presence: Arc<PresenceDesk>,
    courier: Option<Courier>,
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
        Self::start_with(storage, clock, config, Beside::default())
    }

    /// Does the same with what a server may have beside its database.
    ///
    /// # Panics
    /// As [`Hub::start`].
    #[must_use]
    pub fn start_with(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        config: HubConfig,
        Beside { push: provider, bus }: Beside,
    ) -> Self {
        let (writer, queue) = mpsc::channel(config.queue.max(1));
        let registry = Arc::new(Registry::default());
        let presence = presences::desk(clock.clone(), &config);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let seen = Arc::new(SeenDesk::default());
        let pusher = provider.map(|provider| Pusher {
            desk: Arc::default(),
            provider,
            storage: storage.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
            writer: writer.clone(),
            again: config.push_again,
        });
        let push = pusher.as_ref().map(|pusher| pusher.desk.clone());
        let task = Writer::new(
            storage.clone(),
            clock.clone(),
            config.clone(),
            registry.clone(),
            push.clone(),
            presence.clone(),
        );
        tasks.spawn(task.run(queue, stop.clone()));
        if let Some(pusher) = pusher {
            tasks.spawn(pusher.run(stop.clone()));
        }
        let keeper = Housekeeper {
            storage: storage.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
            seen: seen.clone(),
            presence: presence.clone(),
            heartbeat: config.heartbeat,
        };
        tasks.spawn(keeper.run(stop.clone()));
        let courier = bus.map(|link| presences::join_bus(link, &presence, &registry, &tasks, &stop));
        let keeper = PresenceKeeper {
            storage: storage.clone(),
            presence: presence.clone(),
            grace: config.presence_grace,
            beat: config.server_beat,
        };
        tasks.spawn(keeper.run(stop.clone()));
        tasks.close();
        Self(Arc::new(Inner {
            storage,
            clock,
            config,
            registry,
            seen,
            push,
            presence,
            courier,
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
    /// `token_expired`, `device_revoked`, `too_large` for a status, `rate_limited` for too many connections of the user, `server_stopping`, `unavailable`.
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
        if let Err(invalid) = hello.presence.validate() {
            return Err(bye(invalid.code(), invalid.to_string()));
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
        let connection = Connection::new(identity, hello.device, mailbox);
        hub.registry
            .add(&connection, hub.config.connections_per_user)
            .map_err(|bye| Bye {
                retry_after_ms: bye.retry_after_ms.or_else(|| Some(self.retry_after_ms())),
                ..bye
            })?;
        // From here on dropping the session takes the connection away again.
        let session = Session::new(self.clone(), connection.clone());
        // It is asked after the connection is there to be ended: a revocation comes before the one or after the other.
        self.check_device(&connection).await?;
        self.join_presence(hello, &connection).await?;
        self.join_device(&connection);
        Ok((session, outbound))
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
        let mut page = self
            .0
            .storage
            .page(user, stream, cursor, limits::PAGE_ROWS)
            .await?;
        privacy::rows(&mut page.rows, user);
        Ok(page)
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
        let mut page = self.0.storage.history(user, cid, from, limit).await?;
        privacy::rows(&mut page.rows, user);
        Ok(page)
    }

    /// Finds what a user asks for. The answer's `id` is the caller's to fill.
    ///
    /// # Errors
    /// [`StorageError::Denied`] when the user may not see it, [`StorageError::Refused`] for a question that cannot be answered
    /// as it is, else as the storage has them.
    pub async fn ask(&self, user: &UserId, question: &Question) -> Result<Answer, StorageError> {
        if let Question::Devices(_) = question {
            return self.devices(user).await;
        }
        let mut answer = self.0.storage.ask(user, question, self.0.clock.now()).await?;
        privacy::rows(&mut answer.rows, user);
        Ok(answer)
    }

    /// Returns what became of pushes since the hub was started. Without a provider: nothing.
    #[must_use]
    pub fn push_counts(&self) -> PushCounts {
        self.0.push.as_ref().map(|push| push.counts()).unwrap_or_default()
    }

    /// Puts or gets a part of a parcel, for the device of a connection.
    pub(crate) async fn carry(
        &self,
        connection: &Connection,
        parcel: &Parcel,
    ) -> Result<ParcelPage, StorageError> {
        let who = (&connection.identity.user, connection.device);
        parcels::carry(self.0.storage.as_ref(), who, parcel, self.now()).await
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
        self.0.presence.end();
        self.0.stop.cancel();
        self.0.tasks.wait().await;
        self.close_presence().await;
        store_seen(&*self.0.storage, &self.0.seen, true).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        self.0.registry.remove(connection);
        if let Some(number) = connection.presence.get() {
            self.leave_device(connection);
            self.0.presence.leave(*number);
        }
    }

    /// Reads the active members of a channel.
    pub(crate) async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        self.0.storage.members(cid).await
    }

    /// Returns what the operator decides for a channel.
    pub(crate) fn features(&self, cid: &ChannelId) -> Features {
        self.0.config.rules.features(cid)
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
    seen: Arc<SeenDesk>,
    presence: Arc<PresenceDesk>,
    heartbeat: Duration,
}

impl Housekeeper {
    async fn run(self, stop: CancellationToken) {
        let mut sweep = interval((self.heartbeat / 2).max(Duration::from_millis(1)));
        let mut prune = interval(PRUNE_EVERY);
        let mut seen = interval(SEEN_EVERY);
        seen.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = sweep.tick() => self.sweep(),
                _ = prune.tick() => self.prune().await,
                _ = seen.tick() => store_seen(&*self.storage, &self.seen, false).await,
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
        let now = self.clock.now().as_millis();
        let before = |days: u32| Timestamp(now.saturating_sub(DAY_MS * i64::from(days)));
        if let Err(error) = self
            .storage
            .prune_results(before(limits::RESULT_RETENTION_DAYS))
            .await
        {
            warn!(%error, "old results could not be pruned");
        }
        if let Err(error) = self
            .storage
            .prune_devices(before(limits::REVOKED_DEVICE_DAYS))
            .await
        {
            warn!(%error, "devices that were revoked long ago could not be pruned");
        }
        if let Err(error) = self.storage.prune_parcels(before(limits::PARCEL_DAYS)).await {
            warn!(%error, "parcels that nobody has fetched could not be pruned");
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
