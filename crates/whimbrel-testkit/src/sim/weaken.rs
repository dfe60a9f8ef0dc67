//! What each mutant does: every protection is taken away from outside, here and in [`super::storage`].

use super::{Mutant, Violation, device::or_broken, fold, ghost::Fate, storage::now_or, world::World};
use whimbrel_hub::{Request, Storage as _, StorageError};
use whimbrel_model::{
    AccountRow, Change, ChannelId, Code, ConsentState, Delta, Draft, DraftSeen, Hide, MemberState,
    MessageKind, MessagePage, Op, OpId, RangeSet, Row, StreamEvent, StreamId, UserId, limits,
};
use whimbrel_protocol::{Outcome, Page, ServerFrame, Sync};
use whimbrel_store::{Store as _, StoreReader as _};

/// Says that nothing is missing, for a mutant.
pub(super) fn without_gaps(delta: &Delta) -> Delta {
    let changes = delta.changes.iter().map(|change| match change {
        Change::Ranges(cid, ranges) => Change::Ranges(cid.clone(), one_run(ranges)),
        change => change.clone(),
    });
    Delta {
        changes: changes.collect(),
    }
}

/// Lets a mutant change what is read from the store to be shown.
pub(super) fn weaken_rows(mutant: Option<Mutant>, mut page: MessagePage) -> MessagePage {
    if mutant == Some(Mutant::GapUnmarked) {
        page.ranges = one_run(&page.ranges);
    }
    page
}

fn seen(slot: &Draft) -> DraftSeen {
    DraftSeen {
        device: slot.device,
        ver: slot.ver,
    }
}

fn is_no_contact(row: &Row) -> bool {
    !matches!(row, Row::Account(AccountRow::Contact(_)))
}

/// Lets a mutant change what a device hears of people.
fn weaken_people(mutant: Option<Mutant>, frame: ServerFrame) -> ServerFrame {
    match (mutant, frame) {
        (Some(Mutant::ConsentLost), ServerFrame::Page(mut page)) if page.reset => {
            for row in &mut page.rows {
                if let Row::Membership(row) = row {
                    row.consent = ConsentState::Unknown;
                }
            }
            ServerFrame::Page(page)
        }
        (Some(Mutant::ContactLost), ServerFrame::Page(mut page)) => {
            page.rows.retain(is_no_contact);
            ServerFrame::Page(page)
        }
        (Some(Mutant::ContactLost), ServerFrame::Event(mut event)) => {
            event.rows.retain(is_no_contact);
            ServerFrame::Event(event)
        }
        (_, frame) => frame,
    }
}

fn one_run(ranges: &RangeSet) -> RangeSet {
    let mut whole = RangeSet::default();
    if let Some(newest) = ranges.as_slice().last() {
        whole.insert(1, newest.hi);
    }
    whole
}

impl World {
    /// The newest commits were not on disk.
    pub(super) fn lose_power(&mut self, index: usize) {
        let lost = self.dice.index(4);
        let kept = self.devices[index].commits.len().saturating_sub(lost).max(1);
        // What is in memory does not fail.
        drop(self.forget_commits(index, kept));
    }

    /// Gives an operation that leaves again another id.
    pub(super) fn rename(&mut self, index: usize, op: &mut whimbrel_model::OpEnvelope) {
        let Some(run) = self.devices[index].run.as_mut() else {
            return;
        };
        op.after = None;
        if run.left.insert(op.id) {
            return;
        }
        let made = self.with_env(index, |engine, env| engine.new_id(env));
        if let Some(made) = made {
            self.ghost.aliases.insert(OpId(made), op.id);
            op.id = OpId(made);
        }
    }

    /// Lets a mutant change what a device hears.
    pub(super) fn weaken_frame(&mut self, index: usize, frame: ServerFrame) -> ServerFrame {
        match (self.mutant, frame) {
            (Some(Mutant::NoGapCheck), ServerFrame::Event(event)) => {
                let cursor = self.ghost.cursors[index].get(&event.stream);
                let from = cursor.map_or(0, |cursor| cursor.ver);
                let from = if from < event.to { from } else { event.from };
                ServerFrame::Event(StreamEvent { from, ..event })
            }
            (Some(Mutant::AckDropsEcho), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    if let Outcome::Accepted { steps } = &mut result.outcome {
                        steps.clear();
                    }
                }
                ServerFrame::Results(results)
            }
            (Some(Mutant::RetryNewId), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    result.id = self.ghost.original(result.id);
                }
                ServerFrame::Results(results)
            }
            (Some(Mutant::RetryAfterIgnored), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    if let Outcome::Retry { retry_after_ms, .. } = &mut result.outcome {
                        *retry_after_ms = Some(0);
                    }
                }
                ServerFrame::Results(results)
            }
            (Some(Mutant::RejectionAsSuccess), ServerFrame::Results(mut results)) => {
                for result in &mut results.results {
                    if matches!(result.outcome, Outcome::Rejected { .. }) {
                        result.outcome = Outcome::Accepted { steps: Vec::new() };
                    }
                }
                ServerFrame::Results(results)
            }
            (Some(Mutant::AccountUnchecked), ServerFrame::Ready(mut ready)) => {
                ready.user = self.devices[index].user.clone();
                ServerFrame::Ready(ready)
            }
            (Some(Mutant::MuteLost), ServerFrame::Page(mut page)) if page.reset => {
                for row in &mut page.rows {
                    if let Row::Membership(row) = row {
                        row.muted = None;
                    }
                }
                ServerFrame::Page(page)
            }
            (Some(Mutant::WindowForgotten), ServerFrame::Page(mut page)) => {
                page.to.window = None;
                ServerFrame::Page(page)
            }
            (mutant, frame) => weaken_people(mutant, frame),
        }
    }

    /// Lets a mutant change what the engine does.
    pub(super) fn weaken_effects(&self, delta: &mut Delta) {
        let Some(mutant) = self.mutant else { return };
        let changes = std::mem::take(&mut delta.changes);
        for change in changes {
            match (mutant, change) {
                (Mutant::RefusalDropped, Change::Outbox(item)) if item.rejection().is_some() => {
                    delta.push(Change::OutboxRemoved(item.id));
                }
                (Mutant::ParentNotParked, Change::Outbox(item))
                    if item.last_error == Some(Code::ParentRejected) => {}
                (Mutant::SnapshotNotStale, Change::Ranges(cid, ranges)) => {
                    let mut fresh = RangeSet::default();
                    for range in ranges.as_slice() {
                        fresh.insert(range.lo, range.hi);
                    }
                    delta.push(Change::Ranges(cid, fresh));
                }
                (Mutant::RangeTooWide, Change::Ranges(cid, mut ranges)) => {
                    if let Some(newest) = ranges.as_slice().last().copied() {
                        ranges.insert(newest.lo.saturating_sub(3).max(1), newest.hi);
                    }
                    delta.push(Change::Ranges(cid, ranges));
                }
                (Mutant::RebaseForgotten, Change::Rebase(_)) => {}
                (Mutant::UnfollowForgets, Change::Unfollow(stream)) => {
                    delta.push(Change::Unfollow(stream.clone()));
                    delta.push(Change::Rebase(stream));
                }
                (_, change) => delta.push(change),
            }
        }
    }

    /// Lets a mutant change what reaches the disk. Returns that, and whether the app dies in the middle of it.
    pub(super) fn weaken_delta(&mut self, index: usize, delta: &Delta) -> (Delta, bool) {
        let mut written = delta.clone();
        match self.mutant {
            Some(Mutant::AttemptNotPersisted) => {
                for change in &mut written.changes {
                    if let Change::Outbox(item) = change {
                        item.attempted = false;
                    }
                }
            }
            Some(Mutant::CursorFirst) => {
                let cursor = |change: &Change| matches!(change, Change::Cursor(..));
                if written.changes.iter().any(cursor) && self.dice.per_mille(20) {
                    written.changes.retain(cursor);
                    return (written, true);
                }
            }
            Some(Mutant::PinForgotten) => {
                for change in &mut written.changes {
                    if let Change::Row(Row::Message(row)) = change
                        && row.revision > 0
                    {
                        row.pinned = None;
                    }
                }
            }
            Some(Mutant::NoVersionGuard) => {
                let store = &self.devices[index].store;
                for change in &mut written.changes {
                    let Change::Row(Row::Message(row)) = change else {
                        continue;
                    };
                    let known = now_or(store.message(row.id)).ok().and_then(Result::ok).flatten();
                    if let Some(known) = known.filter(|known| known.ver > row.ver) {
                        // The store holds the guard: this is how an older row gets past it.
                        row.ver = known.ver + 1;
                    }
                }
            }
            _ => {}
        }
        (written, false)
    }

    /// Lets a mutant do something else than to queue the operation. Returns whether it did.
    pub(super) fn cheat(&mut self, index: usize, op: &Op) -> Result<bool, Violation> {
        let Some(mutant) = self.mutant else {
            return Ok(false);
        };
        let loaded = or_broken(now_or(self.devices[index].store.load())?)?;
        if let Some(delta) = fold::wrong(mutant, &loaded.outbox, op) {
            or_broken(now_or(self.devices[index].store.apply(&delta))?)?;
            let after = or_broken(now_or(self.devices[index].store.load())?)?.outbox;
            fold::check(&loaded.outbox, &after, OpId(uuid::Uuid::nil()), op)?;
            self.kill(index, "to fold what it has not sent");
            self.start(index)?;
            return Ok(true);
        }
        let Some(id) = op.message() else {
            return Ok(false);
        };
        let sends = |item: &&whimbrel_model::OutboxItem| {
            item.attempted
                && item.rejection().is_none()
                && matches!(&item.op, Op::SendMessage { id: sent, .. } if *sent == id)
        };
        let Some(mut item) = loaded.outbox.iter().find(sends).cloned() else {
            return Ok(false);
        };
        let change = match (mutant, op, &mut item.op) {
            (Mutant::CoalesceAttempted, Op::EditMessage { body, .. }, Op::SendMessage { body: sent, .. }) => {
                sent.clone_from(body);
                Change::Outbox(item)
            }
            (Mutant::CancelAttempted, Op::DeleteMessage { .. }, _) => {
                if let Some(made) = self.ghost.ops.get_mut(&item.id) {
                    made.fate = Fate::Discarded;
                }
                Change::OutboxRemoved(item.id)
            }
            _ => return Ok(false),
        };
        or_broken(now_or(self.devices[index].store.apply(&Delta::from(change)))?)?;
        self.kill(index, "to take back what has left");
        self.start(index)?;
        Ok(true)
    }

    /// Lets a mutant change what the server takes in.
    pub(super) fn weaken_group(&self, group: &mut [Request]) {
        let Some(mutant) = self.mutant else { return };
        for request in group {
            if mutant == Mutant::UnorderedPipeline {
                request.op.after = None;
            }
            match (mutant, &mut request.op.op) {
                (Mutant::InviteForced, Op::AnswerInvite { accept, .. }) => *accept = true,
                (Mutant::ReadEpochIgnored, Op::MarkRead { epoch, .. }) => *epoch = 0,
                (Mutant::SilentLoud, Op::SendMessage { silent, .. }) => *silent = false,
                (Mutant::SystemByAnyone, Op::SendMessage { kind, .. }) => *kind = MessageKind::Regular,
                (Mutant::HiddenForGood, Op::UpdateMembership { change, .. }) => {
                    if let Some(Hide::Until { seq }) = &mut change.hidden {
                        *seq = limits::NUMBER;
                    }
                }
                (Mutant::DistinctTwice, Op::CreateChannel { cid, .. }) if cid.is_distinct() => {
                    let there = self
                        .ghost
                        .server
                        .heads
                        .contains_key(&StreamId::Channel(cid.clone()));
                    if let Some(other) = ChannelId::new("sim:another").ok().filter(|_| there) {
                        *cid = other;
                    }
                }
                (
                    Mutant::DraftUnseenDropped,
                    Op::SaveDraft {
                        cid,
                        parent,
                        device,
                        replaces,
                        ..
                    },
                ) => {
                    let slots = self.ghost.server.slots(&request.user, cid, *parent);
                    let others = slots.filter(|slot| slot.device != *device);
                    *replaces = others.map(seen).collect();
                }
                _ => {}
            }
        }
    }

    /// Lets a mutant change what somebody does.
    pub(super) fn weaken_op(&self, index: usize, op: &mut Op) {
        if self.mutant != Some(Mutant::DraftSeenUnseen) {
            return;
        }
        if let Op::SaveDraft {
            cid,
            parent,
            device,
            replaces,
            ..
        } = op
        {
            let slots = self.ghost.server.slots(&self.devices[index].user, cid, *parent);
            let others = slots.filter(|slot| slot.device != *device);
            *replaces = others.map(seen).collect();
        }
    }

    /// Lets a mutant change the answer to a request for a page.
    pub(super) fn weaken_page(
        &mut self,
        user: &UserId,
        ask: &Sync,
        answer: Result<Page, StorageError>,
    ) -> Result<Result<Page, StorageError>, Violation> {
        if self.mutant == Some(Mutant::PagesToGone)
            && matches!(answer, Err(StorageError::Denied { .. }))
            && let StreamId::Channel(cid) = &ask.stream
        {
            let members = now_or(self.server.storage.members(cid))?.unwrap_or_default();
            let Some(other) = members.first() else {
                return Ok(answer);
            };
            return now_or(
                self.server
                    .storage
                    .page(other, &ask.stream, ask.cursor, self.plan.page_rows),
            );
        }
        let Ok(mut page) = answer else { return Ok(answer) };
        let fresh = self.now < self.server.last_commit + 2_000;
        let joined = self.ghost.server.joined_at(user, &ask.stream);
        match self.mutant {
            Some(Mutant::VersionOutOfOrder) if fresh && page.rows.len() > 1 => {
                let place = self.dice.index(page.rows.len() - 1);
                page.rows.remove(place);
            }
            Some(Mutant::FeedWithoutTombstones) => {
                page.rows
                    .retain(|row| !matches!(row, Row::Message(row) if row.is_deleted()));
            }
            Some(Mutant::FeedWithoutRemovals) => {
                page.rows.retain(|row| match row {
                    Row::Member(row) => row.state == MemberState::Active,
                    Row::Membership(row) => row.state == MemberState::Active,
                    _ => true,
                });
            }
            Some(Mutant::PageFromRejoin) => page.rows.retain(|row| row.ver() >= joined),
            Some(Mutant::NoReset) => page.reset = false,
            Some(Mutant::DeletedTextServed) => {
                for row in &mut page.rows {
                    if let Row::Message(row) = row {
                        row.deleted_at = None;
                    }
                }
            }
            _ => {}
        }
        Ok(Ok(page))
    }
}
