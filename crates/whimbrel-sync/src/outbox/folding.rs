//! Letting a new operation go up in those that were never sent.

use super::Outbox;
use crate::{
    Notice,
    compact::{Fold, fold},
    consent::decides,
};
use whimbrel_model::{Op, OpId, Rejection};

impl Outbox {
    /// Lets an operation go up in those that wait and were never sent, if that comes to the same. Returns whether it did.
    pub(super) fn fold(&mut self, id: OpId, op: &Op, now: u64, notices: &mut Vec<Notice>) -> bool {
        let Some(lane) = self.lanes.get(&op.lane()) else {
            return false;
        };
        let never_sent = lane
            .newest_first()
            .map_while(|pos| self.items.get(&pos).filter(|item| !item.attempted))
            .map(|item| (item.pos, &item.op));
        match fold(never_sent, op) {
            Fold::Apart => false,
            Fold::Into(pos, merged) => {
                let Some(item) = self.items.get_mut(&pos) else {
                    return false;
                };
                if item.op != merged {
                    self.decided |= decides(&merged);
                    item.op = merged;
                    self.dirty.insert(pos);
                }
                self.followers.entry(item.id).or_default().push(id);
                true
            }
            Fold::Gone(gone) => {
                if self.is_missed(&gone) {
                    return false;
                }
                for pos in gone {
                    self.leave_lane(pos, now);
                    if let Some(id) = self.items.get(&pos).map(|item| item.id) {
                        self.settle(id, &Ok(()), notices);
                    }
                    self.forget(pos);
                }
                self.settle(id, &Ok(()), notices);
                true
            }
        }
    }

    /// Returns whether anything else here, rejected or not, could only ever be accepted after one of these.
    fn is_missed(&self, gone: &[u64]) -> bool {
        let ops = gone.iter().filter_map(|pos| self.items.get(pos));
        let sends: Vec<&Op> = ops
            .map(|item| &item.op)
            .filter(|op| matches!(op, Op::SendMessage { .. }))
            .collect();
        let others = self.items.values().filter(|item| !gone.contains(&item.pos));
        !sends.is_empty()
            && others
                .map(|item| &item.op)
                .any(|op| sends.iter().any(|send| op.depends_on(send)))
    }

    /// Tells of an operation, and of those that were folded into it, how it ended.
    pub(super) fn settle(&mut self, id: OpId, outcome: &Result<(), Rejection>, notices: &mut Vec<Notice>) {
        let followers = self.followers.remove(&id).into_iter().flatten();
        notices.extend(
            [id].into_iter()
                .chain(followers)
                .map(|id| Notice::Settled(id, outcome.clone())),
        );
    }
}
