//! The durable queue of everything that the server has not decided.

mod folding;
mod repeat;
mod retention;
mod unsent;

pub use unsent::Unsent;

use crate::{CommandError, EngineConfig, Env, Notice, backoff, consent::decides, lane::LaneQueue};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Change, Code, Delta, Lane, Op, OpEnvelope, OpId, OutboxItem, OutboxStatus, Rejection, Timestamp, UserId,
    limits,
};

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: BTreeMap<u64, OutboxItem>,
    positions: BTreeMap<OpId, u64>,
    lanes: BTreeMap<Lane, LaneQueue>,
    /// The position of the next item: never one that was used in this run.
    next_pos: u64,
    in_flight: usize,
    /// Operations that were folded into another: they settle when that one does. Nobody waits for them after a restart.
    followers: BTreeMap<OpId, Vec<OpId>>,
    /// The server's clock when this connection began.
    server_time: Option<Timestamp>,
    /// When operations were first attempted, by the server's clock, if that was in this run.
    attempted_at: BTreeMap<u64, Timestamp>,
    /// Items whose stored copy is not what is here.
    dirty: BTreeSet<u64>,
    removed: Vec<OpId>,
    /// Whether what it says of who may reach the account may be something else than before.
    decided: bool,
}

impl Outbox {
    /// Takes over what the store holds. Whatever was on its way is unknown now, and goes out again with its id.
    pub(crate) fn load(items: Vec<OutboxItem>) -> Self {
        let mut outbox = Self::default();
        for item in items {
            outbox.insert(item);
        }
        outbox
    }

    fn insert(&mut self, item: OutboxItem) {
        self.decided |= decides(&item.op);
        self.next_pos = self.next_pos.max(item.pos + 1);
        self.positions.insert(item.id, item.pos);
        if item.status == OutboxStatus::Queued {
            self.lanes
                .entry(item.op.lane())
                .or_default()
                .push(item.pos, item.id);
        }
        self.items.insert(item.pos, item);
    }

    /// Writes down what changed since the last call.
    pub(crate) fn flush(&mut self, delta: &mut Delta) {
        // A repeated operation may take the place of the one that it repeats.
        for id in self.removed.drain(..) {
            delta.push(Change::OutboxRemoved(id));
        }
        for pos in std::mem::take(&mut self.dirty) {
            if let Some(item) = self.items.get(&pos) {
                delta.push(Change::Outbox(item.clone()));
            }
        }
    }

    pub(crate) fn enqueue(
        &mut self,
        id: OpId,
        op: Op,
        user: &UserId,
        env: &Env<'_>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), CommandError> {
        op.validate()?;
        op.validate_for(user)?;
        if self.fold(id, &op, env.mono, notices) {
            return Ok(());
        }
        if self.items.len() >= limits::OUTBOX_ITEMS {
            return Err(CommandError::OutboxFull);
        }
        self.append(id, op, user, env);
        Ok(())
    }

    fn append(&mut self, id: OpId, op: Op, user: &UserId, env: &Env<'_>) {
        self.put(self.next_pos.max(1), id, op, user, env);
    }

    fn put(&mut self, pos: u64, id: OpId, op: Op, user: &UserId, env: &Env<'_>) {
        self.insert(OutboxItem {
            pos,
            id,
            op,
            user: user.clone(),
            composed_at: env.wall,
            attempted: false,
            failures: 0,
            last_error: None,
            status: OutboxStatus::Queued,
        });
        self.dirty.insert(pos);
    }

    /// Takes what may be sent now, marked as attempted.
    pub(crate) fn take_sendable(&mut self, now: u64, config: &EngineConfig) -> Vec<OpEnvelope> {
        let mut envelopes = Vec::new();
        let held = self.held(config);
        let most = unsent::most_in_flight(config);
        for (key, lane) in &mut self.lanes {
            if lane.retry_at.is_some_and(|at| at > now) || held.contains(key) {
                continue;
            }
            lane.retry_at = None;
            while lane.has_unsent() && lane.in_flight() < most && self.in_flight < limits::IN_FLIGHT {
                let Some((pos, after)) = lane.send_next(now) else {
                    break;
                };
                let Some(item) = self.items.get_mut(&pos) else {
                    continue;
                };
                self.in_flight += 1;
                if !item.attempted {
                    item.attempted = true;
                    self.dirty.insert(pos);
                    self.attempted_at.extend(self.server_time.map(|time| (pos, time)));
                }
                envelopes.push(item.envelope(after));
            }
        }
        envelopes
    }

    /// Drops an accepted operation.
    pub(crate) fn accept(&mut self, id: OpId, now: u64, notices: &mut Vec<Notice>) {
        let Some(pos) = self.positions.get(&id).copied() else {
            return;
        };
        self.leave_lane(pos, now);
        self.forget(pos);
        self.settle(id, &Ok(()), notices);
    }

    /// Parks a rejected operation with its content, and those that need it and were never sent.
    ///
    /// Where it holds its lane they wait with it: they are rejected if their user discards it.
    pub(crate) fn reject(
        &mut self,
        id: OpId,
        rejection: Rejection,
        config: &EngineConfig,
        now: u64,
        notices: &mut Vec<Notice>,
    ) {
        let Ok(item) = self.find(id) else { return };
        // A repeated answer says nothing about what was queued since.
        if item.rejection().is_none() {
            let pos = item.pos;
            self.park(pos, rejection, now, notices);
            if !config.hold_after_rejection {
                self.reject_dependents(pos, now, notices);
            }
        }
    }

    fn reject_dependents(&mut self, parent: u64, now: u64, notices: &mut Vec<Notice>) {
        let Some((needed, op)) = self.items.get(&parent).map(|item| (item.id, item.op.clone())) else {
            return;
        };
        let Some(lane) = self.lanes.get(&op.lane()) else {
            return;
        };
        let dependents: Vec<u64> = lane
            .after(parent)
            .filter(|pos| {
                self.items
                    .get(pos)
                    .is_some_and(|item| !item.attempted && item.op.depends_on(&op))
            })
            .collect();
        for pos in &dependents {
            let message = format!("it needs the {} that was not accepted", op.name());
            let rejection = Rejection {
                code: Code::ParentRejected,
                message,
                parent: Some(needed),
            };
            self.park(*pos, rejection, now, notices);
        }
        for pos in dependents {
            self.reject_dependents(pos, now, notices);
        }
    }

    fn park(&mut self, pos: u64, rejection: Rejection, now: u64, notices: &mut Vec<Notice>) {
        self.leave_lane(pos, now);
        let Some(item) = self.items.get_mut(&pos) else {
            return;
        };
        self.decided |= decides(&item.op) || matches!(item.op, Op::SendMessage { .. });
        let id = item.id;
        let outcome = Err(rejection.clone());
        item.last_error = Some(rejection.code.clone());
        item.status = OutboxStatus::Rejected(rejection);
        self.dirty.insert(pos);
        self.settle(id, &outcome, notices);
    }

    /// Puts an undecided operation, and what comes after it in its lane, back for later.
    pub(crate) fn retry_later(
        &mut self,
        id: OpId,
        code: Code,
        retry_after_ms: Option<u64>,
        config: &EngineConfig,
        env: &mut Env<'_>,
    ) {
        let Some(pos) = self.positions.get(&id).copied() else {
            return;
        };
        let Some(item) = self.items.get_mut(&pos) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&item.op.lane()) else {
            return;
        };
        let before = lane.in_flight();
        // Out of order says that the one before was not seen: everything goes again from the first.
        let was_in_flight = if code == Code::OutOfOrder {
            !lane.rewind().is_empty()
        } else {
            lane.rewind_to(pos)
        };
        self.in_flight -= before - lane.in_flight();
        if !was_in_flight {
            return;
        }
        lane.failures += 1;
        let wait = match retry_after_ms {
            Some(asked) => backoff::spread(asked, env),
            None => backoff::draw(config, lane.failures, env),
        };
        // A shorter wait does not end a longer one that was asked for.
        lane.retry_at = lane.retry_at.max(Some(env.mono + wait));
        item.last_error = Some(code);
        item.failures += 1;
        self.dirty.insert(pos);
    }

    /// Everything on its way has an unknown outcome now.
    pub(crate) fn connection_lost(&mut self, code: &Code) {
        for lane in self.lanes.values_mut() {
            for pos in lane.rewind() {
                if let Some(item) = self.items.get_mut(&pos) {
                    item.failures += 1;
                    item.last_error = Some(code.clone());
                    self.dirty.insert(pos);
                }
            }
        }
        self.in_flight = 0;
    }

    /// Removes an operation because the user says so.
    pub(crate) fn discard(
        &mut self,
        id: OpId,
        now: u64,
        notices: &mut Vec<Notice>,
    ) -> Result<(), CommandError> {
        let item = self.find(id)?;
        if item.attempted && item.rejection().is_none() {
            return Err(CommandError::Attempted(id));
        }
        let pos = item.pos;
        let waited = item.rejection().is_none();
        if waited {
            let message = "it was discarded before it was sent".to_owned();
            let rejection = Rejection {
                code: Code::Other("discarded".to_owned()),
                message,
                parent: None,
            };
            self.park(pos, rejection, now, notices);
        }
        self.reject_dependents(pos, now, notices);
        self.forget(pos);
        Ok(())
    }

    /// Returns what was rejected, oldest first.
    pub(crate) fn rejected(&self) -> Vec<OpId> {
        let rejected = self.items.values().filter(|item| item.rejection().is_some());
        rejected.map(|item| item.id).collect()
    }

    /// Returns the moment before which the lane of an operation that waits is left alone, if there is one.
    pub(crate) fn retry_at(&self, id: OpId) -> Option<Option<u64>> {
        let item = self.find(id).ok().filter(|item| item.rejection().is_none())?;
        Some(self.lanes.get(&item.op.lane())?.retry_at)
    }

    /// Returns everything in it, oldest first.
    pub(crate) fn items(&self) -> impl Iterator<Item = &OutboxItem> {
        self.items.values()
    }

    /// Returns whether what it says of who may reach the account may be something else than when this was asked last.
    pub(crate) const fn take_decided(&mut self) -> bool {
        std::mem::replace(&mut self.decided, false)
    }

    /// Notes that what it says of who may reach the account may be something else than before.
    pub(crate) const fn note_decided(&mut self) {
        self.decided = true;
    }

    fn find(&self, id: OpId) -> Result<&OutboxItem, CommandError> {
        self.positions
            .get(&id)
            .and_then(|pos| self.items.get(pos))
            .ok_or(CommandError::NotInOutbox(id))
    }

    fn forget(&mut self, pos: u64) {
        if let Some(item) = self.items.remove(&pos) {
            self.decided |= decides(&item.op);
            self.positions.remove(&item.id);
            self.dirty.remove(&pos);
            self.attempted_at.remove(&pos);
            self.removed.push(item.id);
        }
    }

    fn leave_lane(&mut self, pos: u64, now: u64) {
        let Some(key) = self.items.get(&pos).map(|item| item.op.lane()) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let before = lane.in_flight();
        lane.remove(pos, now);
        self.in_flight -= before - lane.in_flight();
        lane.failures = 0;
        if lane.is_empty() {
            self.lanes.remove(&key);
        }
    }

    /// Returns the moment of the next thing to do by itself: a lane to try again, while connected. It stays until it was
    /// acted on, however late anyone asks.
    pub(crate) fn next_retry(&self) -> Option<u64> {
        self.lanes.values().filter_map(|lane| lane.retry_at).min()
    }

    /// Returns when the oldest operation left that is still on its way.
    pub(crate) fn oldest_sent(&self) -> Option<u64> {
        self.lanes
            .values()
            .filter(|lane| lane.in_flight() > 0)
            .map(|lane| lane.sent_at)
            .min()
    }
}
