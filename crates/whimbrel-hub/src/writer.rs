//! The commit path: one task that groups, commits, fans out and answers.

use crate::{
    Applied, Clock, HubConfig, Request, Storage, StorageError, apply_group,
    hub::millis,
    outbound::encode_frame,
    registry::{Connection, Registry},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use whimbrel_model::{ChannelId, Code, MemberState, OpEnvelope, OpId, Row, StreamEvent, StreamId, UserId};
use whimbrel_protocol::{OpResult, Outcome, Results, ServerFrame, encode};

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
        let ids: Vec<OpId> = self.requests.iter().map(|request| request.op.id).collect();
        self.reply.send(unavailable(&ids, why, retry_after));
    }
}

impl Reply {
    fn send(self, results: Vec<OpResult>) {
        match self {
            // A caller that has gone does not need an answer.
            Self::Caller(caller) => drop(caller.send(results)),
            Self::Connection(connection, _permit) => push_results(&connection, results),
        }
    }

    fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Connection(connection, _) => Some(connection),
            Self::Caller(_) => None,
        }
    }
}

/// Queues results in as few frames as hold them. One that does not fit alone goes without its rows: the client pulls
/// them, as its cursor has not moved.
fn push_results(connection: &Connection, results: Vec<OpResult>) {
    let frame = ServerFrame::Results(Results { results });
    if let Ok(bytes) = encode(&frame) {
        connection.mailbox.push(bytes.into());
        return;
    }
    let ServerFrame::Results(Results { mut results }) = frame else {
        return;
    };
    if let [one] = results.as_mut_slice() {
        one.outcome = Outcome::Accepted { steps: Vec::new() };
        let frame = ServerFrame::Results(Results { results });
        encode_frame(&frame)
            .into_iter()
            .for_each(|bytes| connection.mailbox.push(bytes));
        return;
    }
    let rest = results.split_off(results.len() / 2);
    push_results(connection, results);
    push_results(connection, rest);
}

/// The answers when nothing was decided.
pub(crate) fn unavailable(ids: &[OpId], why: &str, retry_after: Duration) -> Vec<OpResult> {
    let outcome = Outcome::Retry {
        code: Code::Unavailable,
        message: format!("{why}: send the operation again"),
        retry_after_ms: Some(millis(retry_after)),
    };
    let result = |id: &OpId| OpResult {
        id: *id,
        outcome: outcome.clone(),
    };
    ids.iter().map(result).collect()
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
        let mut requests: Vec<Request> = Vec::new();
        let mut parts = Vec::with_capacity(group.len());
        for part in group {
            parts.push((part.requests.len(), part.reply));
            requests.extend(part.requests);
        }
        let applied = match self.apply(&requests).await {
            Ok(applied) => applied,
            Err(error) => {
                warn!(%error, operations = requests.len(), "a group of operations was not committed");
                // Whether the commit happened is unknown, so what is known of members may be old.
                self.members.clear();
                self.refuse(&requests, parts);
                return;
            }
        };
        let mut applied = requests.iter().map(|request| request.op.id).zip(applied);
        for (count, reply) in parts {
            let mut results = Vec::with_capacity(count);
            for (id, Applied { outcome, events }) in applied.by_ref().take(count) {
                for event in events {
                    self.fan_out(event, reply.connection());
                }
                results.push(OpResult { id, outcome });
            }
            reply.send(results);
        }
    }

    fn refuse(&self, requests: &[Request], parts: Vec<(usize, Reply)>) {
        let mut rest = requests.iter().map(|request| request.op.id);
        for (count, reply) in parts {
            let ids: Vec<OpId> = rest.by_ref().take(count).collect();
            reply.send(unavailable(
                &ids,
                "the server could not store it",
                self.config.retry_after,
            ));
        }
    }

    async fn apply(&mut self, requests: &[Request]) -> Result<Vec<Applied>, StorageError> {
        if self.members.len() > self.config.cached_channels {
            self.members.clear();
        }
        for cid in requests.iter().filter_map(|request| request.op.op.cid()) {
            if !self.members.contains_key(cid) {
                let members = self.storage.members(cid).await?;
                // Of a channel that is made in this group, or never: nothing to keep.
                if !members.is_empty() {
                    self.members.insert(cid.clone(), members.into_iter().collect());
                }
            }
        }
        apply_group(&*self.storage, &self.config.rules, self.clock.now(), requests).await
    }

    /// Queues an event for everyone who may see it, after the step that it tells of.
    fn fan_out(&mut self, event: StreamEvent, except: Option<&Arc<Connection>>) {
        match event.stream.clone() {
            StreamId::User(user) => {
                let stream = event.stream.clone();
                self.registry
                    .send(&stream, slice::from_ref(&user), except, || event_frame(event));
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
                let stream = event.stream.clone();
                self.registry
                    .send(&stream, &*members, except, || event_frame(event));
            }
        }
    }
}

/// Encodes an event. One that does not fit a frame becomes a hint to pull: a step that no cursor can follow.
fn event_frame(event: StreamEvent) -> Option<Bytes> {
    let frame = ServerFrame::Event(event);
    if let Ok(bytes) = encode(&frame) {
        return Some(bytes.into());
    }
    let ServerFrame::Event(event) = frame else {
        return None;
    };
    let hint = StreamEvent {
        from: event.to,
        rows: Vec::new(),
        ..event
    };
    encode_frame(&ServerFrame::Event(hint))
}
