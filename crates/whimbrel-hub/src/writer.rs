//! The commit path: one task that groups, commits, fans out and answers.

use crate::{
    Applied, Clock, HubConfig, Keys, Request, Storage, StorageError, WorkingSet, apply,
    hub::millis,
    outbound::encode_frame,
    parcels,
    presence::PresenceDesk,
    privacy,
    push::{self, PushDesk},
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
use whimbrel_model::{
    AccountRow, ChannelId, Code, DeviceId, MemberState, Op, OpEnvelope, OpId, Row, StreamEvent, StreamId,
    UserId, limits,
};
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
pub(crate) fn push_results(connection: &Connection, results: Vec<OpResult>) {
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
    /// Absent: nobody is woken.
    push: Option<Arc<PushDesk>>,
    presence: Arc<PresenceDesk>,
    /// Active members, right as of the last commit; absent where not needed yet.
    members: BTreeMap<ChannelId, BTreeSet<UserId>>,
}

impl Writer {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        config: HubConfig,
        registry: Arc<Registry>,
        push: Option<Arc<PushDesk>>,
        presence: Arc<PresenceDesk>,
    ) -> Self {
        Self {
            storage,
            clock,
            config,
            registry,
            push,
            presence,
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
        let newest = newest_settings(&applied);
        let mut applied = requests.iter().zip(applied);
        let mut revoked = Vec::new();
        let mut synced = BTreeSet::new();
        for (count, reply) in parts {
            let mut results = Vec::with_capacity(count);
            for (request, Applied { outcome, events }) in applied.by_ref().take(count) {
                let device = reply.connection().map(|connection| connection.device);
                if let Some(push) = &self.push
                    && let Some(hint) = push::hint(request, &events, device)
                {
                    push.add(hint);
                }
                // By what is answered, and not by what has changed: a repeat stands for a commit of which nothing was heard.
                if let Outcome::Accepted { steps } = &outcome {
                    revoked.extend(steps.iter().flat_map(|step| revoked_devices(&step.rows)));
                    synced.extend(steps.iter().flat_map(|step| synced_users(&step.rows)));
                }
                if events.is_empty() {
                    self.settle(&outcome, &newest);
                }
                for event in events {
                    self.tell_presence(&event, &newest);
                    self.fan_out(event, reply.connection());
                }
                let id = request.op.id;
                results.push(OpResult { id, outcome });
            }
            reply.send(results);
        }
        for user in synced {
            if let Err(error) = parcels::keep_wanted(self.storage.as_ref(), &user).await {
                warn!(%error, %user, "parcels that nobody wants any more could not be dropped yet");
            }
        }
        // A device that revokes itself still gets its answer.
        for (user, device) in revoked {
            self.registry.end_revoked(&user, device);
        }
    }

    /// Lets presence know what an operation that changed nothing came to.
    fn settle(&self, outcome: &Outcome, newest: &BTreeMap<UserId, u64>) {
        let Outcome::Accepted { steps } = outcome else {
            return;
        };
        for row in steps.iter().flat_map(|step| &step.rows) {
            if let Row::Account(row) = row
                && !is_outdated(row, newest)
            {
                self.presence.answered(row);
            }
        }
    }

    /// Lets presence know what an operation changed in an account. Settings that another operation of the group has changed again
    /// are not told: what they said never held for anybody.
    fn tell_presence(&self, event: &StreamEvent, newest: &BTreeMap<UserId, u64>) {
        for row in &event.rows {
            if let (StreamId::User(_), Row::Account(row)) = (&event.stream, row)
                && !is_outdated(row, newest)
            {
                self.presence.committed(row);
            }
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
        let (now, rules, crowded) = (self.clock.now(), &self.config.rules, self.crowded(requests));
        let mut applied = Vec::new();
        let mut decide = |set: &mut WorkingSet| {
            set.set_crowded(crowded.clone());
            applied = apply(set, rules, now, requests);
        };
        self.storage.transact(&Keys::of(requests), &mut decide).await?;
        for (applied, request) in applied.iter_mut().zip(requests) {
            privacy::outcome(&mut applied.outcome, &request.user);
        }
        Ok(applied)
    }

    /// Returns the channels of marks that have more members than it is kept of what has reached whom.
    fn crowded(&self, requests: &[Request]) -> BTreeSet<ChannelId> {
        let marked = requests.iter().filter_map(|request| match &request.op.op {
            Op::MarkDelivered { cid, .. } => Some(cid),
            _ => None,
        });
        let members = |cid: &ChannelId| self.members.get(cid).map_or(0, BTreeSet::len);
        marked
            .filter(|cid| members(cid) > limits::RECEIPT_MEMBERS)
            .cloned()
            .collect()
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
                let members = self.members.entry(cid.clone()).or_default();
                for row in &event.rows {
                    match row {
                        Row::Member(row) if row.state == MemberState::Active => {
                            members.insert(row.user.clone());
                        }
                        Row::Member(row) => {
                            members.remove(&row.user);
                            self.presence.put_out(&cid, &row.user);
                        }
                        _ => {}
                    }
                }
                tell_members(&self.registry, members, event, except);
            }
        }
    }
}

/// Queues a step of a channel for its members: one encoding for those whose rows are for themselves only, another for everybody
/// else.
fn tell_members(
    registry: &Registry,
    members: &BTreeSet<UserId>,
    event: StreamEvent,
    except: Option<&Arc<Connection>>,
) {
    let (stream, owners) = (event.stream.clone(), privacy::owners(&event));
    if owners.is_empty() {
        return registry.send(&stream, members, except, || event_frame(event));
    }
    let mut others = members.difference(&owners).peekable();
    if let Some(reader) = others.peek().copied() {
        registry.send(&stream, others, except, || {
            event_frame(privacy::event(&event, reader))
        });
    }
    for owner in members.intersection(&owners) {
        registry.send(&stream, slice::from_ref(owner), except, || {
            event_frame(privacy::event(&event, owner))
        });
    }
}

/// Returns the version of the last settings of each user that a group came to.
fn newest_settings(applied: &[Applied]) -> BTreeMap<UserId, u64> {
    let mut newest = BTreeMap::new();
    for row in applied
        .iter()
        .flat_map(|applied| &applied.events)
        .flat_map(|event| &event.rows)
    {
        if let Row::Account(AccountRow::Settings(settings)) = row {
            let ver = newest.entry(settings.user.clone()).or_insert(settings.ver);
            *ver = settings.ver.max(*ver);
        }
    }
    newest
}

fn is_outdated(row: &AccountRow, newest: &BTreeMap<UserId, u64>) -> bool {
    match row {
        AccountRow::Settings(settings) => newest.get(&settings.user).is_some_and(|ver| settings.ver < *ver),
        _ => false,
    }
}

fn revoked_devices(rows: &[Row]) -> impl Iterator<Item = (UserId, DeviceId)> {
    rows.iter().filter_map(|row| match row {
        Row::Account(AccountRow::Device(row)) if row.revoked_at.is_some() => Some((row.user.clone(), row.id)),
        _ => None,
    })
}

/// Returns whose devices ask something of one another, or no longer do.
fn synced_users(rows: &[Row]) -> impl Iterator<Item = UserId> {
    rows.iter().filter_map(|row| match row {
        Row::Account(AccountRow::DeviceSync(row)) => Some(row.user.clone()),
        _ => None,
    })
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
