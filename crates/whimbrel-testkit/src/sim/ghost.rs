//! The oracle: what happened, kept outside of devices and server so that no crash erases it.

use super::{Mutant, Violation, log::violated, marks::Marks};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::Applied;
use whimbrel_model::{
    Change, ChannelId, Code, ConsentState, Cursor, Delta, DeviceId, Epoch, Head, Lane, Loaded, MemberState,
    MessageId, Op, OpEnvelope, OpId, OutboxItem, OutboxStatus, Row, RowKey, StreamEvent, StreamId, UserId,
};
use whimbrel_protocol::Outcome;

/// What became of an operation, as its device has committed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Queued,
    Rejected,
    Discarded,
    Accepted,
}

#[derive(Clone, Debug)]
pub(super) struct GhostOp {
    pub(super) device: usize,
    pub(super) op: Op,
    /// Place among everything that was ever enqueued.
    pub(super) order: u64,
    pub(super) fate: Fate,
    pub(super) discard_asked: bool,
    /// Whether its device gave up waiting for an answer that the server may not know any more: it acted or it did not.
    unknown: bool,
    /// Of what has left. Absent: nothing has.
    pub(super) digest: Option<[u8; 32]>,
}

/// What the server has decided: goes back with it to a backup.
#[derive(Clone, Debug, Default)]
pub(super) struct Decisions {
    /// Accepted operations in commit order, each once.
    pub(super) log: Vec<(UserId, OpEnvelope)>,
    pub(super) accepted: BTreeSet<OpId>,
    rejected: BTreeSet<OpId>,
    /// Rejected operations in the order of their answers, each once.
    pub(super) refused: Vec<(UserId, OpEnvelope, (Code, String))>,
    pub(super) heads: BTreeMap<StreamId, Head>,
    pub(super) rows: BTreeMap<StreamId, BTreeMap<RowKey, Row>>,
    /// The messages of each channel, by sequence from 1.
    pub(super) logs: BTreeMap<ChannelId, Vec<MessageId>>,
    pub(super) members: BTreeMap<(ChannelId, UserId), bool>,
    /// In which version somebody left the last time.
    pub(super) left_at: BTreeMap<(ChannelId, UserId), u64>,
    /// What ever held of each channel for each who was in it.
    pub(super) ever: BTreeMap<(ChannelId, UserId), BTreeSet<ConsentState>>,
    /// Counts the changes of members.
    pub(super) moves: u64,
    pub(super) seqs: BTreeMap<MessageId, u64>,
    /// Devices that were shut out.
    pub(super) revoked: BTreeSet<(UserId, DeviceId)>,
}

#[derive(Debug, Default)]
pub(super) struct Ghost {
    pub(super) ops: BTreeMap<OpId, GhostOp>,
    pub(super) server: Decisions,
    pub(super) backup: Option<Decisions>,
    /// Accepted, then gone with a restore.
    pub(super) lost: BTreeSet<OpId>,
    /// Rejected by the device itself, which does not know whether they acted: its clock says that it was long ago.
    pub(super) expired: BTreeSet<OpId>,
    pub(super) restores: u64,
    /// How much the server had accepted when a device woke up as it was before, and which.
    pub(super) travels: BTreeSet<(usize, usize)>,
    /// How far each stream was when something of it was answered as accepted.
    pub(super) acked: BTreeMap<StreamId, u64>,
    /// By device and lane: the place of the last operation that left for the first time.
    pub(super) left: BTreeMap<(usize, Lane), u64>,
    /// By device: as committed.
    pub(super) cursors: Vec<BTreeMap<StreamId, Cursor>>,
    /// Ids on the wire that stand for another.
    pub(super) aliases: BTreeMap<OpId, OpId>,
    /// Who is in which channel, as of the event that is told next.
    pub(super) told: BTreeMap<(ChannelId, UserId), bool>,
    /// Which versions of drafts each device has had.
    pub(super) seen_drafts: BTreeSet<(usize, RowKey, u64)>,
    /// How many changes of members were told, of those that were decided.
    pub(super) told_moves: u64,
    pub(super) ordered: u64,
    pub(super) marks: Marks,
    /// Channels that somebody looked at on a device, or did something in; none: perhaps all.
    pub(super) touched: BTreeSet<(usize, Option<ChannelId>)>,
}

/// What a round took in, as far as it allows something.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Operations that were answered as accepted.
    pub(super) accepted: BTreeSet<OpId>,
    /// Streams of which a page began a snapshot.
    pub(super) resets: BTreeSet<StreamId>,
}

impl Ghost {
    /// C6: the cursors on disk are those that were committed.
    pub(super) fn check_cursors(
        &self,
        index: usize,
        loaded: &Loaded,
        mutant: Option<Mutant>,
    ) -> Result<(), Violation> {
        for (stream, cursor) in &self.cursors[index] {
            if loaded.cursors.get(stream) != Some(cursor)
                && !matches!(mutant, Some(Mutant::ClientLazySync | Mutant::CursorFirst))
            {
                return violated(
                    "C6",
                    format!("the cursor of {stream} on disk is not what was committed"),
                );
            }
        }
        Ok(())
    }

    /// Takes in what a device has committed.
    pub(super) fn committed(
        &mut self,
        device: usize,
        delta: &Delta,
        allowed: &Allowed,
    ) -> Result<(), Violation> {
        let mut unfollowed = BTreeSet::new();
        for change in &delta.changes {
            match change {
                Change::Outbox(item) => self.put(device, item)?,
                Change::OutboxRemoved(id) => self.removed(*id, allowed)?,
                Change::Unfollow(stream) => {
                    unfollowed.insert(stream.clone());
                    self.cursors[device].remove(stream);
                    self.marks.forget_shown(device);
                }
                Change::Rebase(_) => self.marks.forget_shown(device),
                Change::Cursor(stream, new) => {
                    if let StreamId::Channel(cid) = stream {
                        self.marks.follows(device, cid, *new);
                    }
                    let old = self.cursors[device].insert(stream.clone(), *new);
                    let back = old.is_some_and(|old| old.epoch == new.epoch && new.ver < old.ver);
                    if back && !allowed.resets.contains(stream) && !unfollowed.contains(stream) {
                        return violated("C6", format!("the cursor of {stream} went back to {}", new.ver));
                    }
                }
                Change::Row(row @ Row::Draft(_)) => {
                    self.seen_drafts.insert((device, row.key(), row.ver()));
                }
                Change::Row(Row::Message(row)) if row.ver > 0 => {
                    let known = self.server.seqs.get(&row.id).copied();
                    if known.is_some_and(|seq| seq != row.seq) && self.restores == 0 {
                        return violated("E12", format!("message {} came with another seq", row.id));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, device: usize, item: &OutboxItem) -> Result<(), Violation> {
        let fate = match &item.status {
            OutboxStatus::Queued => Fate::Queued,
            OutboxStatus::Rejected(_) => Fate::Rejected,
        };
        let Some(known) = self.ops.get_mut(&item.id) else {
            self.ordered += 1;
            let made = GhostOp {
                device,
                op: item.op.clone(),
                order: self.ordered,
                fate,
                discard_asked: false,
                unknown: false,
                digest: None,
            };
            self.ops.insert(item.id, made);
            return Ok(());
        };
        if known.digest.is_none() {
            // It never left: a later one may have gone up in it.
            known.op = item.op.clone();
        }
        if known.device != device || (known.op != item.op && known.digest.is_some()) {
            return violated("E2", format!("the id {} was used for two operations", item.id));
        }
        // What was never sent may take in what was done later.
        known.op.clone_from(&item.op);
        known.unknown |= item.last_error == Some(Code::Expired);
        if known.fate != Fate::Rejected || fate != Fate::Queued {
            known.fate = fate;
        }
        if let OutboxStatus::Rejected(rejection) = &item.status {
            if rejection.code == Code::Expired {
                self.expired.insert(item.id);
            }
            return self.check_reason(item, &rejection.code);
        }
        Ok(())
    }

    /// E5: nothing is refused for lack of what the same device had sent before it.
    fn check_reason(&self, item: &OutboxItem, code: &Code) -> Result<(), Violation> {
        if self.restores > 0 {
            return Ok(());
        }
        let travelled = self
            .ops
            .get(&item.id)
            .is_some_and(|made| self.has_travelled(made.device));
        if matches!(code, Code::OpConflict | Code::IdConflict) && !travelled {
            return violated(
                "S5",
                format!("{} {} was refused as {code}", item.op.name(), item.id),
            );
        }
        if !matches!(code, Code::MessageNotFound | Code::ChannelNotFound) {
            return Ok(());
        }
        let Some(this) = self.ops.get(&item.id) else {
            return Ok(());
        };
        // The server decided on the one before, whether its device has heard of it or not.
        let needed = |(id, other): &(&OpId, &GhostOp)| {
            let makes_channel = matches!(other.op, Op::CreateChannel { .. });
            makes_channel == (*code == Code::ChannelNotFound)
                && other.device == this.device
                && other.order < this.order
                && self.server.accepted.contains(*id)
                && this.op.depends_on(&other.op)
        };
        match self.ops.iter().find(needed).map(|(_, other)| other) {
            Some(other) => violated(
                "E5",
                format!(
                    "{} {} was refused as {code}, and the {} before it was not",
                    item.op.name(),
                    item.id,
                    other.op.name()
                ),
            ),
            None => Ok(()),
        }
    }

    fn removed(&mut self, id: OpId, allowed: &Allowed) -> Result<(), Violation> {
        let Some(op) = self.ops.get_mut(&id) else {
            return Ok(());
        };
        op.fate = match op.fate {
            Fate::Rejected if op.discard_asked => Fate::Discarded,
            Fate::Rejected => {
                return violated(
                    "C10",
                    format!("{} {id} was rejected, and is gone without its user", op.op.name()),
                );
            }
            // It never left: its user, or a later operation, may have made it needless.
            _ if op.discard_asked || op.digest.is_none() => Fate::Discarded,
            _ if allowed.accepted.contains(&id) => Fate::Accepted,
            _ => {
                return violated(
                    "C4",
                    format!("{} {id} left the outbox without an answer", op.op.name()),
                );
            }
        };
        Ok(())
    }

    /// C3: an operation that leaves is marked on disk, and is what it was the last time.
    pub(super) fn leaves(&mut self, envelope: &OpEnvelope, outbox: &[OutboxItem]) -> Result<(), Violation> {
        let stored = outbox.iter().find(|item| item.id == envelope.id);
        let Some(stored) = stored.filter(|item| item.attempted && item.op == envelope.op) else {
            return violated("C3", format!("{} left before that was on disk", envelope.id));
        };
        let lane = stored.op.lane();
        let undecided = |item: &&OutboxItem| item.rejection().is_none() && item.op.lane() == lane;
        let before = outbox
            .iter()
            .filter(|item| item.pos < stored.pos)
            .filter(undecided);
        // What it names may have been decided by an answer of the same round.
        let named = |item: &OutboxItem| {
            let decided = |id| !outbox.iter().filter(undecided).any(|item| item.id == id);
            envelope
                .after
                .is_some_and(|after| after == item.id || decided(after))
        };
        if before
            .max_by_key(|item| item.pos)
            .is_some_and(|item| !named(item))
        {
            return violated("C5", format!("{} does not say what comes before it", envelope.id));
        }
        let Some(known) = self.ops.get_mut(&envelope.id) else {
            return violated("C2", format!("{} left and was never committed", envelope.id));
        };
        // A device that woke up as it was before may come late with what is done already.
        if known.digest.is_none() && !self.server.accepted.contains(&envelope.id) {
            let last = self.left.entry((known.device, lane)).or_default();
            if *last > known.order {
                return violated("C5", format!("{} left after what was done later", envelope.id));
            }
            *last = known.order;
        }
        let digest = *known.digest.get_or_insert_with(|| envelope.digest());
        if digest != envelope.digest() {
            return violated("C3", format!("{} left with two contents", envelope.id));
        }
        Ok(())
    }

    /// Returns the id that a device gave to what is on the wire under `id`.
    pub(super) fn original(&self, id: OpId) -> OpId {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// Takes in what the server has committed. Returns the path that it was.
    pub(super) fn decided(
        &mut self,
        user: &UserId,
        envelope: &OpEnvelope,
        applied: &Applied,
        epoch: Epoch,
    ) -> Result<&'static str, Violation> {
        if envelope.op.leaves_no_result() {
            return self.marked(user, envelope, applied, epoch);
        }
        let id = self.original(envelope.id);
        let known = self.server.accepted.contains(&id);
        match &applied.outcome {
            Outcome::Accepted { .. } => {
                if self.server.rejected.contains(&id) {
                    return violated("S4", format!("{id} was rejected, and then accepted"));
                }
                if known && !applied.events.is_empty() {
                    return violated("S2", format!("{} {id} acted twice", envelope.op.name()));
                }
                if !known {
                    self.server.check_allowed(user, envelope)?;
                    self.check_after(envelope)?;
                }
                self.check_draft_steps(envelope, applied)?;
                for event in &applied.events {
                    self.server.moved(event)?;
                }
                if known {
                    return Ok("dedupe_replay");
                }
                self.server.accepted.insert(id);
                if let Op::RevokeDevice { device } = &envelope.op {
                    self.server.revoked.insert((user.clone(), *device));
                }
                let envelope = OpEnvelope {
                    id,
                    ..envelope.clone()
                };
                self.server.log.push((user.clone(), envelope));
                Ok("accepted")
            }
            // It went another way the last time, before its device woke up as it was before.
            Outcome::Rejected { code, .. } if *code == Code::OpConflict && !self.travels.is_empty() => {
                Ok("op_conflict")
            }
            Outcome::Rejected { code, message } => {
                if known {
                    return violated("S4", format!("{id} was accepted, and then rejected as {code}"));
                }
                if self.server.rejected.insert(id) {
                    self.check_after(envelope)?;
                    let why = (code.clone(), message.clone());
                    self.server.refused.push((user.clone(), envelope.clone(), why));
                }
                Ok("rejected")
            }
            Outcome::Retry { .. } => Ok("out_of_order"),
        }
    }

    /// Takes in a mark: an operation that leaves nothing but its register.
    fn marked(
        &mut self,
        user: &UserId,
        envelope: &OpEnvelope,
        applied: &Applied,
        epoch: Epoch,
    ) -> Result<&'static str, Violation> {
        if !matches!(applied.outcome, Outcome::Accepted { .. }) {
            return Ok("mark_refused");
        }
        self.server.check_allowed(user, envelope)?;
        self.check_mark(user, &envelope.op, epoch)?;
        for event in &applied.events {
            self.server.moved(event)?;
        }
        self.server.log.push((user.clone(), envelope.clone()));
        let moved = !applied.events.is_empty();
        Ok(if moved { "mark_delivered" } else { "mark_repeated" })
    }

    /// S10: nothing is decided before what its device had sent before it.
    fn check_after(&self, envelope: &OpEnvelope) -> Result<(), Violation> {
        let Some(before) = envelope.after.map(|before| self.original(before)) else {
            return Ok(());
        };
        if self.server.accepted.contains(&before) || self.server.rejected.contains(&before) {
            return Ok(());
        }
        violated(
            "S10",
            format!(
                "{} {} was decided before {before}",
                envelope.op.name(),
                envelope.id
            ),
        )
    }

    /// An operation is answered as accepted.
    pub(super) fn acks(&mut self, steps: &[StreamEvent]) {
        for step in steps {
            let acked = self.acked.entry(step.stream.clone()).or_default();
            *acked = step.to.max(*acked);
        }
    }

    /// A group is about to be decided, after which its events are told.
    pub(super) fn begins_to_tell(&mut self) {
        if self.told_moves != self.server.moves {
            self.told.clone_from(&self.server.members);
            self.told_moves = self.server.moves;
        }
    }

    /// An event is about to be told.
    pub(super) fn tells(&mut self, event: &StreamEvent) {
        for row in &event.rows {
            if let Row::Member(row) = row {
                let active = row.state == MemberState::Active;
                self.told.insert((row.cid.clone(), row.user.clone()), active);
                self.told_moves += 1;
            }
        }
    }

    /// E11: who is not in the channel after a step does not hear of it.
    pub(super) fn may_hear(&self, event: &StreamEvent, user: Option<&UserId>) -> Result<(), Violation> {
        let StreamId::Channel(cid) = &event.stream else {
            return Ok(());
        };
        let active = user.is_some_and(|user| self.told.get(&(cid.clone(), user.clone())) == Some(&true));
        if active {
            return Ok(());
        }
        violated(
            "E11",
            format!("{user:?} is told of a step of {cid}, and is not in it"),
        )
    }

    /// The server is a copy of what it was at the backup.
    pub(super) fn restored(&mut self) {
        let Some(backup) = self.backup.clone() else { return };
        let gone = self.server.accepted.difference(&backup.accepted);
        self.lost.extend(gone.copied());
        self.server = backup;
        self.marks.forget_all_shown();
        self.told_moves = u64::MAX;
        self.acked.clear();
        let kept = self.server.log.len();
        self.travels = self
            .travels
            .iter()
            .map(|(at, device)| (kept.min(*at), *device))
            .collect();
        self.restores += 1;
    }

    pub(super) fn has_travelled(&self, device: usize) -> bool {
        self.travels.iter().any(|(_, of)| *of == device)
    }

    /// E4: what one device did in one lane was accepted in the order in which it was done.
    pub(super) fn check_order(&self) -> Result<(), Violation> {
        let mut last: BTreeMap<(usize, Lane), u64> = BTreeMap::new();
        for (index, (_, envelope)) in self.server.log.iter().enumerate() {
            for (_, device) in self.travels.range((index, 0)..(index + 1, 0)) {
                last.retain(|(of, _), _| of != device);
            }
            let made = self.ops.get(&envelope.id);
            // What expired does not hold the lane: it may arrive late, if only by a clock that is wrong.
            let Some(made) = made.filter(|_| !self.expired.contains(&envelope.id)) else {
                continue;
            };
            let before = last.insert((made.device, made.op.lane()), made.order);
            if before.is_some_and(|before| before > made.order) {
                return violated(
                    "E4",
                    format!(
                        "{} {} was accepted after what was done later",
                        made.op.name(),
                        envelope.id
                    ),
                );
            }
        }
        Ok(())
    }

    /// E1: whatever left an outbox was accepted, or its user was told.
    pub(super) fn check_fates(&self, is_shut_out: impl Fn(usize) -> bool) -> Result<(), Violation> {
        for (id, made) in &self.ops {
            let on_server = self.server.accepted.contains(id);
            let name = made.op.name();
            match made.fate {
                // It acted or it did not: nobody tells its device any more.
                _ if is_shut_out(made.device) => {}
                Fate::Queued => return violated("L1", format!("{name} {id} still waits")),
                Fate::Accepted if !on_server && !self.lost.contains(id) => {
                    return violated("E1", format!("{name} {id} is gone"));
                }
                Fate::Rejected | Fate::Discarded if on_server && !self.expired.contains(id) => {
                    return violated("E7", format!("{name} {id} was discarded or rejected, and acted"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Decisions {
    /// Returns whether the user was in the channel, and is not now.
    pub(super) fn is_gone(&self, cid: &ChannelId, user: &UserId) -> bool {
        self.members.get(&(cid.clone(), user.clone())) == Some(&false)
    }
}
