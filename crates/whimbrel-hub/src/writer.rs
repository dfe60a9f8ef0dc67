//! The commit path: one task that groups, commits, fans out and answers.

use crate::{
    Applied, Clock, HubConfig, Request, Storage, StorageError, apply_group,
    feed::encoded_len,
    hub::millis,
    outbound::encode_frame,
    registry::{Connection, Registry},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use whimbrel_model::{
    ChannelId, Code, MemberState, OpEnvelope, OpId, Row, StreamEvent, StreamId, UserId, limits,
};
use whimbrel_protocol::{OpResult, Outcome, Results, ServerFrame};

/// Encoded bytes of results in one frame: a frame without room for what stands around them.
const RESULTS_BYTES: usize = limits::FRAME_BYTES - 1024;

/// Operations of one caller, decided together and in order.
#[derive(Debug)]
pub(crate) struct Submission {
    requests: Vec<Request>,
    reply: Reply,
}

/// Where the results go.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To the connection that they came from; the permit ends with the answer.
    Connection(Arc<Connection>, OwnedSemaphorePermit),
    /// To a waiting call.
    Caller(oneshot::Sender<Vec<OpResult>>),
}

impl Submission {
    pub(crate) fn new(user: &UserId, ops: Vec<OpEnvelope>, reply: Reply) -> Self {
        let request = |op| Request {
            user: user.clone(),
            op,
        };
        Self {
            requests: ops.into_iter().map(request).collect(),
            reply,
        }
    }

    /// Answers that nothing was decided.
    pub(crate) fn refuse(self, why: &str, retry_after: Duration) {
        let outcome = unavailable(why, retry_after);
        let ids: Vec<OpId> = self.requests.iter().map(|request| request.op.id).collect();
        let result = |id| OpResult {
            id,
            outcome: outcome.clone(),
        };
        self.reply.send(ids.into_iter().map(result).collect());
    }
}

impl Reply {
    fn send(self, results: Vec<OpResult>) {
        match self {
            // A caller that has gone does not need an answer.
            Self::Caller(caller) => drop(caller.send(results)),
            Self::Connection(connection, _permit) => {
                for results in frames_of(results) {
                    if let Some(frame) = encode_frame(&ServerFrame::Results(Results { results })) {
                        connection.mailbox.push(frame);
                    }
                }
            }
        }
    }

    fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Connection(connection, _) => Some(connection),
            Self::Caller(_) => None,
        }
    }
}

/// Groups results so that each group fits a frame. One that does not fit alone goes without its rows: the client
/// pulls them, as its cursor has not moved.
fn frames_of(results: Vec<OpResult>) -> Vec<Vec<OpResult>> {
    let mut frames: Vec<Vec<OpResult>> = Vec::new();
    let mut bytes = usize::MAX;
    for mut result in results {
        if encoded_len(&result) > RESULTS_BYTES {
            result.outcome = Outcome::Accepted { steps: Vec::new() };
        }
        let size = encoded_len(&result) + 1;
        match frames.last_mut() {
            Some(frame) if bytes.saturating_add(size) <= RESULTS_BYTES => {
                frame.push(result);
                bytes += size;
            }
            _ => {
                frames.push(vec![result]);
                bytes = size;
            }
        }
    }
    frames
}

/// The answer when nothing was decided.
pub(crate) fn unavailable(why: &str, retry_after: Duration) -> Outcome {
    Outcome::Retry {
        code: Code::Unavailable,
        message: format!("{why}: send the operation again"),
        retry_after_ms: Some(millis(retry_after)),
    }
}

/// The only task that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    config: HubConfig,
    registry: Arc<Registry>,
    /// Active members, right as of the last commit; absent where not needed yet.
    members: BTreeMap<ChannelId, BTreeSet<UserId>>,
}

impl Writer {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        config: HubConfig,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            storage,
            clock,
            config,
            registry,
            members: BTreeMap::new(),
        }
    }

    /// Works until the queue's senders are gone, or until `stop` and then to the end of the queue.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Submission>, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                first = queue.recv() => first,
            };
            let Some(first) = first else { return };
            let group = self.group(first, &mut queue);
            self.commit(group).await;
        }
        queue.close();
        while let Some(first) = queue.recv().await {
            let group = self.group(first, &mut queue);
            self.commit(group).await;
        }
    }

    /// Takes what waits, up to the limit. Nothing is waited for: a group grows while the one before commits.
    fn group(&self, first: Submission, queue: &mut mpsc::Receiver<Submission>) -> Vec<Submission> {
        let mut ops = first.requests.len();
        let mut group = vec![first];
        while ops < self.config.group_ops
            && let Ok(next) = queue.try_recv()
        {
            ops += next.requests.len();
            group.push(next);
        }
        group
    }

    async fn commit(&mut self, group: Vec<Submission>) {
        let requests: Vec<Request> = group
            .iter()
            .flat_map(|part| part.requests.iter().cloned())
            .collect();
        let applied = match self.apply(&requests).await {
            Ok(applied) => applied,
            Err(error) => {
                warn!(%error, operations = requests.len(), "a group of operations was not committed");
                // Whether the commit happened is unknown, so what is known of members may be old.
                self.members.clear();
                let why = "the server could not store it";
                group
                    .into_iter()
                    .for_each(|part| part.refuse(why, self.config.retry_after));
                return;
            }
        };
        let mut applied = applied.into_iter();
        for part in group {
            let mut results = Vec::with_capacity(part.requests.len());
            for (request, Applied { outcome, events }) in part.requests.iter().zip(&mut applied) {
                events
                    .into_iter()
                    .for_each(|event| self.fan_out(event, part.reply.connection()));
                results.push(OpResult {
                    id: request.op.id,
                    outcome,
                });
            }
            part.reply.send(results);
        }
    }

    async fn apply(&mut self, requests: &[Request]) -> Result<Vec<Applied>, StorageError> {
        if self.members.len() > self.config.cached_channels {
            self.members.clear();
        }
        for cid in requests.iter().filter_map(|request| request.op.op.cid()) {
            if !self.members.contains_key(cid) {
                let members = self.storage.members(cid).await?;
                self.members.insert(cid.clone(), members.into_iter().collect());
            }
        }
        apply_group(&*self.storage, self.clock.now(), requests).await
    }

    /// Queues an event for everyone who may see it, after the step that it tells of.
    fn fan_out(&mut self, event: StreamEvent, except: Option<&Arc<Connection>>) {
        match event.stream.clone() {
            StreamId::User(user) => {
                self.registry
                    .send(slice::from_ref(&user), except, || event_frame(event));
            }
            StreamId::Channel(cid) => {
                let members = self.members.entry(cid).or_default();
                for row in &event.rows {
                    match row {
                        Row::Member(row) if row.state == MemberState::Active => {
                            members.insert(row.user.clone());
                        }
                        Row::Member(row) => {
                            members.remove(&row.user);
                        }
                        _ => {}
                    }
                }
                self.registry.send(&*members, except, || event_frame(event));
            }
        }
    }
}

/// Encodes an event. One that does not fit a frame becomes a hint to pull: a step that begins after any cursor.
fn event_frame(mut event: StreamEvent) -> Option<bytes::Bytes> {
    if encoded_len(&event) > RESULTS_BYTES {
        event.rows.clear();
        event.from = event.to;
    }
    encode_frame(&ServerFrame::Event(event))
}
