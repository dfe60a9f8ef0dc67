//! What each mutant does: every protection is taken away from outside, here and in [`super::storage`].

use super::{Mutant, Violation, device::or_broken, ghost::Fate, storage::now_or, world::World};
use whimbrel_model::{Change, Delta, Op, OpId, Row, StreamEvent};
use whimbrel_protocol::{Outcome, Page, ServerFrame};
use whimbrel_store::{MemoryStore, Store as _};

impl World {
    /// The newest commits were not on disk.
    pub(super) fn lose_power(&mut self, index: usize) {
        let lost = self.dice.index(4);
        let device = &mut self.devices[index];
        let kept = device.commits.len().saturating_sub(lost).max(1);
        device.commits.truncate(kept);
        device.store = MemoryStore::new();
        for delta in &device.commits {
            let _ = now_or(device.store.apply(delta));
        }
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
            (_, frame) => frame,
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
        let (Some(id), Some(mutant)) = (op.message(), self.mutant) else {
            return Ok(false);
        };
        let loaded = or_broken(now_or(self.devices[index].store.load())?)?;
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

    /// Lets a mutant take something out of a page.
    pub(super) fn weaken_page(&mut self, mut page: Page) -> Page {
        let fresh = self.now < self.server.last_commit + 2_000;
        match self.mutant {
            Some(Mutant::VersionOutOfOrder) if fresh && page.rows.len() > 1 => {
                let place = self.dice.index(page.rows.len() - 1);
                page.rows.remove(place);
            }
            Some(Mutant::FeedWithoutTombstones) => {
                page.rows
                    .retain(|row| !matches!(row, Row::Message(row) if row.is_deleted()));
            }
            _ => {}
        }
        page
    }
}
