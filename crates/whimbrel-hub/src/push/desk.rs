use super::{Push, PushAbout, PushCounts, PushProvider, told::Told};
use crate::{
    Clock, Request, Storage, StorageError,
    registry::Registry,
    writer::{Reply, Submission},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Builder;
use whimbrel_model::{
    ChannelId, Device, DeviceChange, DeviceId, MessageId, Op, OpEnvelope, OpId, Row, SetPush, StreamEvent,
    UserId,
};
use whimbrel_protocol::{PushKind, PushPayload};

/// Events that wait to be pushed. Each may wake many; beyond it the oldest is dropped.
const WAITING: usize = 1_000;

/// Pushes in one batch for the provider: a body of a few dozen kilobytes.
const BATCH: usize = 100;

/// Something that devices may be woken for.
#[derive(Clone, Debug)]
pub(crate) enum Hint {
    /// A message was accepted.
    Message {
        about: PushAbout,
        message: MessageId,
        seq: u64,
    },
    /// A user has read a channel, on this device.
    Read {
        user: UserId,
        device: Option<DeviceId>,
        cid: ChannelId,
        seq: u64,
    },
}

/// Returns what an operation of a device gives to wake others for, if it was carried out with these events.
pub(crate) fn hint(request: &Request, events: &[StreamEvent], device: Option<DeviceId>) -> Option<Hint> {
    let mut rows = events.iter().flat_map(|event| &event.rows);
    match &request.op.op {
        Op::SendMessage {
            id, silent: false, ..
        } => rows.find_map(|row| match row {
            Row::Message(row) if row.id == *id => Some(Hint::Message {
                about: PushAbout {
                    cid: row.cid.clone(),
                    author: row.author.clone(),
                    thread: row.parent.filter(|_| !row.is_in_channel()),
                },
                message: row.id,
                seq: row.seq,
            }),
            _ => None,
        }),
        Op::MarkRead { thread: None, .. } => rows.find_map(|row| match row {
            // Who marks as unread has not read on.
            Row::Read(row) if row.seq >= row.furthest => Some(Hint::Read {
                user: row.user.clone(),
                device,
                cid: row.cid.clone(),
                seq: row.seq,
            }),
            _ => None,
        }),
        _ => None,
    }
}

/// What waits to be pushed, and what was pushed lately.
#[derive(Debug, Default)]
pub(crate) struct PushDesk {
    waiting: Mutex<VecDeque<Hint>>,
    arrived: Notify,
    told: Mutex<Told>,
    counts: Mutex<PushCounts>,
}

impl PushDesk {
    /// Takes a hint. Never waits: a full queue drops its oldest.
    pub(crate) fn add(&self, hint: Hint) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= WAITING {
            waiting.pop_front();
            lock(&self.counts).dropped += 1;
        }
        waiting.push_back(hint);
        self.arrived.notify_one();
    }

    /// A device has a connection: what it was told before counts no longer.
    pub(crate) fn connected(&self, user: &UserId, device: DeviceId) {
        lock(&self.told).connected(user, device);
    }

    pub(crate) fn counts(&self) -> PushCounts {
        *lock(&self.counts)
    }

    async fn next(&self) -> VecDeque<Hint> {
        loop {
            let arrived = self.arrived.notified();
            let hints = std::mem::take(&mut *lock(&self.waiting));
            if !hints.is_empty() {
                return hints;
            }
            arrived.await;
        }
    }
}

/// The task that pushes: one batch after the other.
#[derive(Debug)]
pub(crate) struct Pusher {
    pub(crate) desk: Arc<PushDesk>,
    pub(crate) provider: Arc<dyn PushProvider>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) writer: mpsc::Sender<Submission>,
    /// For how long a device that does not connect is not told the same again.
    pub(crate) again: Duration,
}

impl Pusher {
    /// Works until `stop`: what waits then is dropped, as a push may be.
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&self) {
        loop {
            let hints = newest(self.desk.next().await);
            let mut pushes = Vec::new();
            for hint in hints {
                match self.pushes(hint).await {
                    Ok(found) => pushes.extend(found),
                    Err(error) => {
                        debug!(%error, "an event is pushed to nobody");
                        lock(&self.desk.counts).dropped += 1;
                    }
                }
                while pushes.len() >= BATCH {
                    let rest = pushes.split_off(BATCH);
                    self.carry(std::mem::replace(&mut pushes, rest)).await;
                }
            }
            if !pushes.is_empty() {
                self.carry(pushes).await;
            }
        }
    }

    /// Returns whom a hint wakes.
    async fn pushes(&self, hint: Hint) -> Result<Vec<Push>, StorageError> {
        let now = self.clock.now();
        let (devices, payload) = match hint {
            Hint::Message { about, message, seq } => {
                let targets = self.storage.push_targets(&about).await?;
                let wanted = targets.into_iter().filter(|target| target.is_wanted(now));
                let devices: Vec<_> = wanted.map(|target| target.device).collect();
                (devices, (PushKind::Message, about.cid, Some(message), seq))
            }
            Hint::Read {
                user,
                device,
                cid,
                seq,
            } => {
                let found = self.storage.devices(&user).await?.into_iter();
                let others = found.map(|record| record.device);
                let others = others.filter(|other| Some(other.id) != device);
                (others.collect(), (PushKind::Read, cid, None, seq))
            }
        };
        Ok(devices
            .into_iter()
            .filter_map(|device| self.push(device, &payload))
            .collect())
    }

    /// Makes the push for a device that is to be told.
    fn push(&self, device: Device, payload: &(PushKind, ChannelId, Option<MessageId>, u64)) -> Option<Push> {
        let (kind, cid, message, seq) = payload;
        let to = device.push.filter(|_| device.revoked_at.is_none())?;
        if self.registry.is_live(&device.user, device.id) {
            return None;
        }
        let when = (Instant::now(), self.again);
        if !lock(&self.desk.told).may_tell((&device.user, device.id), cid, kind, when) {
            return None;
        }
        let payload = PushPayload {
            user: device.user.clone(),
            kind: kind.clone(),
            cid: cid.clone(),
            message: *message,
            seq: *seq,
        };
        Some(Push {
            user: device.user,
            device: device.id,
            to,
            payload,
        })
    }

    async fn carry(&self, batch: Vec<Push>) {
        let count = batch.len() as u64;
        match self.provider.push(&batch).await {
            Ok(gone) => {
                lock(&self.desk.counts).sent += count;
                for push in batch.iter().filter(|push| gone.contains(&push.to)) {
                    self.forget_token(push).await;
                }
            }
            Err(error) => {
                warn!(%error, pushes = count, "devices were not woken");
                lock(&self.desk.counts).failed += count;
                let mut told = lock(&self.desk.told);
                for push in &batch {
                    told.forget(&push.user, push.device, &push.payload.cid);
                }
            }
        }
    }

    /// Takes a token off its device, as the device itself would; another one that it has by now stays.
    async fn forget_token(&self, push: &Push) {
        let mut op = OpEnvelope {
            id: OpId(uuid::Uuid::nil()),
            op: Op::UpdateDevice {
                device: push.device,
                change: DeviceChange {
                    name: None,
                    push: Some(SetPush::Gone(push.to.clone())),
                },
            },
            composed_at: self.clock.now(),
            after: None,
        };
        op.id = id_of(&op);
        let (reply, answer) = oneshot::channel();
        let submission = Submission::new(&push.user, vec![op], Reply::Caller(reply));
        if self.writer.send(submission).await.is_ok() && answer.await.is_ok() {
            lock(&self.desk.counts).gone += 1;
        }
    }
}

/// Makes an operation's id out of its content: the same one at the same time is the same operation.
fn id_of(op: &OpEnvelope) -> OpId {
    let mut random = [0; 10];
    random.copy_from_slice(&op.digest()[..10]);
    let millis = u64::try_from(op.composed_at.as_millis()).unwrap_or_default();
    OpId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// Keeps the newest of the hints that would wake the same devices, in the order in which they came.
fn newest(hints: VecDeque<Hint>) -> Vec<Hint> {
    let mut last: BTreeMap<_, usize> = BTreeMap::new();
    for (at, hint) in hints.iter().enumerate() {
        last.insert(same(hint), at);
    }
    let hints_at = |at: &usize| hints[*at].clone();
    let mut places: Vec<_> = last.into_values().collect();
    places.sort_unstable();
    places.iter().map(hints_at).collect()
}

/// Returns what hints have in common that wake the same devices for the same reason.
fn same(hint: &Hint) -> (ChannelId, UserId, Option<MessageId>, Option<DeviceId>, bool) {
    match hint.clone() {
        Hint::Message { about, .. } => (about.cid, about.author, about.thread, None, true),
        Hint::Read {
            user, device, cid, ..
        } => (cid, user, None, device, false),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
