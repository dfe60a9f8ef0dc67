use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use uuid::Uuid;
use whimbrel_hub::{
    Applied, AuthError, Authenticate, Clock, Hub, HubConfig, Identity, MemoryStorage, Outbound, Request,
    Rules, Session, Storage, apply_group,
};
use whimbrel_model::{
    ChannelId, Code, Custom, DeviceId, Epoch, MessageId, MessageKind, Op, OpEnvelope, OpId, Row, StreamEvent,
    StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{
    Bye, ClientFrame, Heads, Hello, OpResult, Ops, Outcome, OwnPresence, PROTOCOL, ServerFrame, Token, decode,
};

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn user(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

pub(crate) fn cid() -> ChannelId {
    ChannelId::new("messaging:general").unwrap()
}

/// Returns a new id, unique in this process.
fn id() -> Uuid {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub(crate) fn envelope(op: Op) -> OpEnvelope {
    OpEnvelope {
        id: OpId(id()),
        op,
        composed_at: Timestamp(1),
        after: None,
    }
}

pub(crate) fn message_id() -> MessageId {
    MessageId(id())
}

pub(crate) fn create(members: &[&str]) -> Op {
    Op::CreateChannel {
        cid: cid(),
        name: "General".into(),
        image: String::new(),
        custom: Custom::default(),
        members: members.iter().map(|name| user(name)).collect(),
    }
}

pub(crate) fn add(names: &[&str]) -> Op {
    Op::AddMembers {
        cid: cid(),
        users: names.iter().map(|name| user(name)).collect(),
    }
}

pub(crate) fn remove(names: &[&str]) -> Op {
    Op::RemoveMembers {
        cid: cid(),
        users: names.iter().map(|name| user(name)).collect(),
    }
}

pub(crate) fn send(text: &str) -> Op {
    reply(text, None)
}

pub(crate) fn reply(text: &str, parent: Option<MessageId>) -> Op {
    Op::SendMessage {
        cid: cid(),
        id: message_id(),
        body: text.into(),
        parent,
        show_in_channel: false,
        quoted: None,
        kind: MessageKind::Regular,
        silent: false,
    }
}

/// Returns a system message.
pub(crate) fn note(text: &str) -> Op {
    match send(text) {
        Op::SendMessage {
            cid,
            id,
            body,
            parent,
            show_in_channel,
            quoted,
            silent,
            ..
        } => Op::SendMessage {
            cid,
            id,
            body,
            parent,
            show_in_channel,
            quoted,
            kind: MessageKind::System,
            silent,
        },
        other => other,
    }
}

pub(crate) fn edit(id: MessageId, text: &str) -> Op {
    Op::EditMessage {
        cid: cid(),
        id,
        body: text.into(),
        base_revision: 0,
    }
}

pub(crate) fn delete(id: MessageId) -> Op {
    Op::DeleteMessage { cid: cid(), id }
}

pub(crate) fn react(message: MessageId, kind: &str) -> Op {
    Op::AddReaction {
        cid: cid(),
        message,
        kind: kind.parse().unwrap(),
    }
}

pub(crate) fn unreact(message: MessageId, kind: &str) -> Op {
    Op::RemoveReaction {
        cid: cid(),
        message,
        kind: kind.parse().unwrap(),
    }
}

pub(crate) fn mark_read(epoch: u32, seq: u64) -> Op {
    Op::MarkRead {
        cid: cid(),
        thread: None,
        epoch,
        seq,
    }
}

pub(crate) fn mark_thread_read(thread: MessageId, epoch: u32, seq: u64) -> Op {
    Op::MarkRead {
        cid: cid(),
        thread: Some(thread),
        epoch,
        seq,
    }
}

pub(crate) fn rename(name: &str) -> Op {
    Op::UpdateUser {
        name: Some(name.into()),
        image: None,
        custom: None,
    }
}

/// A storage, and the time: what the rules are tried on.
pub(crate) struct World {
    pub(crate) storage: MemoryStorage,
    pub(crate) now: i64,
}

impl World {
    /// Creates a world with a channel of these members, the first its owner.
    pub(crate) async fn with_channel(owner: &str, members: &[&str]) -> Self {
        let mut world = Self {
            storage: MemoryStorage::new(Epoch(1)),
            now: 100,
        };
        world.accepted(owner, create(members)).await;
        world
    }

    pub(crate) async fn apply(&mut self, name: &str, op: OpEnvelope) -> Applied {
        self.group(&[(name, op)]).await.remove(0)
    }

    pub(crate) async fn group(&mut self, ops: &[(&str, OpEnvelope)]) -> Vec<Applied> {
        self.now += 1;
        let request = |(name, op): &(&str, OpEnvelope)| Request {
            user: user(name),
            op: op.clone(),
        };
        let requests: Vec<_> = ops.iter().map(request).collect();
        let mut applied = apply_group(&self.storage, &Rules::default(), Timestamp(self.now), &requests)
            .await
            .unwrap();
        for one in &mut applied {
            // What they say of the channel is of interest here, and not that the own streams come first.
            one.events
                .sort_by_key(|event| matches!(event.stream, StreamId::User(_)));
        }
        applied
    }

    /// Applies an operation that has to be accepted; returns its events, those of channels first.
    pub(crate) async fn accepted(&mut self, name: &str, op: Op) -> Vec<StreamEvent> {
        let applied = self.apply(name, envelope(op)).await;
        steps(&applied.outcome);
        applied.events
    }

    /// Applies an operation that has to be accepted and to change the stream of the channel, and no other but the own one, if it
    /// allows the channel; returns the channel's rows.
    pub(crate) async fn rows(&mut self, name: &str, op: Op) -> Vec<Row> {
        let mut events = self.accepted(name, op).await;
        let own = StreamId::User(user(name));
        assert!(events[1..].iter().all(|event| event.stream == own), "{events:?}");
        events.remove(0).rows
    }

    /// Applies an operation that has to be rejected; returns the code.
    pub(crate) async fn rejected(&mut self, name: &str, op: Op) -> Code {
        let applied = self.apply(name, envelope(op)).await;
        assert_eq!(applied.events, []);
        rejection(&applied.outcome)
    }

    /// Applies an operation that has to be accepted without a change.
    pub(crate) async fn changes_nothing(&mut self, name: &str, op: Op) {
        let events = self.accepted(name, op).await;
        assert_eq!(events, []);
    }
}

/// Returns the steps of an accepted operation.
pub(crate) fn steps(outcome: &Outcome) -> &[StreamEvent] {
    match outcome {
        Outcome::Accepted { steps } => steps,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Returns the code of a rejected operation.
pub(crate) fn rejection(outcome: &Outcome) -> Code {
    match outcome {
        Outcome::Rejected { code, .. } => code.clone(),
        other => panic!("not rejected: {other:?}"),
    }
}

/// Returns the code of an operation that was not decided.
pub(crate) fn retry(outcome: &Outcome) -> Code {
    match outcome {
        Outcome::Retry { code, .. } => code.clone(),
        other => panic!("decided: {other:?}"),
    }
}

/// A clock that a test moves.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn set(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Takes a token for the name of its user; `name/500` expires at 500.
#[derive(Debug)]
pub(crate) struct Names;

#[async_trait]
impl Authenticate for Names {
    async fn authenticate(&self, token: &Token) -> Result<Identity, AuthError> {
        let (name, end) = token.expose().split_once('/').unwrap_or((token.expose(), ""));
        let user = UserId::new(name).map_err(|error| AuthError::Invalid(error.to_string()))?;
        let expires_at = end.parse().ok().map(Timestamp);
        Ok(Identity { user, expires_at })
    }
}

pub(crate) fn hello(token: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        token: token.into(),
        device: DeviceId(id()),
        agent: "tests".into(),
        presence: OwnPresence::default(),
        background: false,
    }
}

/// Starts a hub on a storage in memory.
pub(crate) fn start(config: HubConfig) -> (Hub, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let hub = start_on(Arc::new(MemoryStorage::new(Epoch(1))), &clock, config);
    (hub, clock)
}

pub(crate) fn start_on(storage: Arc<dyn Storage>, clock: &Arc<ManualClock>, config: HubConfig) -> Hub {
    Hub::start(storage, clock.clone(), config)
}

/// Decides one operation without a connection; it has to be accepted.
pub(crate) async fn accept(hub: &Hub, name: &str, op: Op) -> OpResult {
    let result = hub.ops(&user(name), vec![envelope(op)]).await.remove(0);
    steps(&result.outcome);
    result
}

/// One connection, and what has arrived on it.
pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) outbound: Outbound,
    arrived: VecDeque<ServerFrame>,
}

impl Client {
    /// Connects, and takes the `ready`.
    pub(crate) async fn connect(hub: &Hub, token: &str) -> Self {
        Self::connect_as(hub, hello(token)).await
    }

    /// Does the same for a device that the hello names.
    pub(crate) async fn connect_as(hub: &Hub, hello: Hello) -> Self {
        let (session, outbound) = hub.hello(hello, &Names).await.unwrap();
        let arrived = VecDeque::new();
        let mut client = Self {
            session,
            outbound,
            arrived,
        };
        let first = client.next().await;
        assert!(matches!(first, ServerFrame::Ready(_)), "{first:?}");
        client
    }

    pub(crate) async fn send(&self, ops: Vec<OpEnvelope>) {
        self.session.handle(ClientFrame::Ops(Ops { ops })).await.unwrap();
    }

    /// Waits for the next frame.
    pub(crate) async fn next(&mut self) -> ServerFrame {
        self.next_or_end().await.expect("the connection goes on")
    }

    /// Waits for the next frame, or the end of the connection.
    pub(crate) async fn next_or_end(&mut self) -> Option<ServerFrame> {
        if self.arrived.is_empty() {
            let batch = timeout(PATIENCE, self.outbound.next_batch()).await;
            let batch = batch.expect("a frame in time").unwrap_or_default();
            self.arrived
                .extend(batch.iter().map(|bytes| decode::<ServerFrame>(bytes).unwrap()));
        }
        self.arrived.pop_front()
    }

    /// Waits for the results of so many operations; returns them, and the events that came before the last.
    pub(crate) async fn results(&mut self, count: usize) -> (Vec<OpResult>, Vec<StreamEvent>) {
        let (mut results, mut events) = (Vec::new(), Vec::new());
        while results.len() < count {
            match self.next().await {
                ServerFrame::Results(more) => results.extend(more.results),
                ServerFrame::Event(event) => events.push(event),
                other => panic!("{other:?}"),
            }
        }
        (results, events)
    }

    /// Returns every event that was queued by now: those before the answer to a request made now.
    pub(crate) async fn events(&mut self) -> Vec<StreamEvent> {
        let ask = Heads { id: 99, since: None };
        self.session.handle(ClientFrame::Heads(ask)).await.unwrap();
        let mut events = Vec::new();
        loop {
            match self.next().await {
                ServerFrame::Event(event) => events.push(event),
                ServerFrame::Heads(page) if page.id == 99 => return events,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for the end; returns the last frame, which has to be a `bye`, and how many frames came before it.
    pub(crate) async fn bye(&mut self) -> (Bye, usize) {
        let mut before = 0;
        loop {
            match self.next_or_end().await {
                Some(ServerFrame::Bye(bye)) => {
                    assert!(self.next_or_end().await.is_none(), "the bye is the last frame");
                    return (bye, before);
                }
                Some(_) => before += 1,
                None => panic!("the connection ended without a bye"),
            }
        }
    }
}
