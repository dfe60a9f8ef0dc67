//! What becomes of consent, told one change at a time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};
use whimbrel_model::{
    AccountRow, Change, ChannelId, ConsentState, Delta, Op, OutboxItem, People, Row, UserId,
};

/// Changes that are kept until somebody asks for them. A driver asks after every delta.
const KEPT: usize = 1_024;

/// That consent is another one now: what was decided of a person or a channel, on this device or on another, or what ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentChange {
    /// Of whom, or of what.
    pub of: ConsentOf,
    /// What held before. Of what was not heard of before: [`ConsentState::Unknown`].
    pub from: ConsentState,
    /// What holds now, as far as this device knows: what waits in the outbox is laid over.
    pub to: ConsentState,
    /// Where it comes from.
    pub by: ChangedBy,
}

/// What consent is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsentOf {
    /// A person.
    Person(UserId),
    /// A channel: what was decided of it, else what holds of whoever brought the account in.
    Channel(ChannelId),
}

/// Where a change of consent comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangedBy {
    /// Somebody did something on this device.
    ThisDevice,
    /// The server told of it: another device of the account did something, or somebody brought the account in.
    #[default]
    Elsewhere,
    /// What was done on this device is undone: the server decided against it, or it was discarded before it was sent.
    Undone,
    /// Its time is over, or the clock was put back.
    Time,
}

/// The changes that nobody has asked for yet, and where those come from that are about to be seen.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    changes: VecDeque<ConsentChange>,
    causes: HashMap<ConsentOf, ChangedBy>,
    /// Where everything else comes from: what changes of people changes many channels.
    other: ChangedBy,
}

impl Consents {
    pub(crate) fn take(&mut self) -> Vec<ConsentChange> {
        self.changes.drain(..).collect()
    }

    /// Takes note that what is seen next comes from a delta; `ops` are the outbox items that it touches.
    pub(crate) fn because_of(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>], me: &UserId) {
        self.because(ChangedBy::Elsewhere);
        for item in ops {
            let here = delta.changes.iter().any(|change| is_waiting(change, item));
            let by = if here {
                ChangedBy::ThisDevice
            } else {
                ChangedBy::Undone
            };
            self.causes.extend(decided(&item.op).map(|of| (of, by)));
        }
        for change in &delta.changes {
            let of = match change {
                Change::Row(Row::Membership(row)) if row.user == *me => ConsentOf::Channel(row.cid.clone()),
                Change::Row(Row::Account(AccountRow::Contact(row))) => ConsentOf::Person(row.of.clone()),
                _ => continue,
            };
            self.causes.insert(of, ChangedBy::Elsewhere);
        }
    }

    /// Takes note that what is seen next comes from `by`, whatever it is.
    pub(crate) fn because(&mut self, by: ChangedBy) {
        self.causes.clear();
        self.other = by;
    }

    /// Tells of people.
    pub(crate) fn people(&mut self, before: &People, now: &People) {
        let known = before.iter().chain(now.iter());
        let users: BTreeSet<_> = known.map(|(user, _)| user.clone()).collect();
        for user in users {
            let (from, to) = (before.of(&user).consent, now.of(&user).consent);
            if let Some(by) = self.changed(ConsentOf::Person(user), from, to) {
                self.other = by;
            }
        }
    }

    /// Tells of channels.
    pub(crate) fn channels(&mut self, moved: Vec<(ChannelId, ConsentState, ConsentState)>) {
        for (cid, from, to) in moved {
            self.changed(ConsentOf::Channel(cid), from, to);
        }
    }

    fn changed(&mut self, of: ConsentOf, from: ConsentState, to: ConsentState) -> Option<ChangedBy> {
        if from == to {
            return None;
        }
        let by = self.causes.get(&of).copied().unwrap_or(self.other);
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(ConsentChange { of, from, to, by });
        Some(by)
    }
}

fn is_waiting(change: &Change, op: &OutboxItem) -> bool {
    matches!(change, Change::Outbox(item) if item.id == op.id && item.rejection().is_none())
}

/// Returns what an operation decides consent of.
fn decided(op: &Op) -> Option<ConsentOf> {
    match op {
        Op::UpdateContact { user, .. } => Some(ConsentOf::Person(user.clone())),
        Op::UpdateMembership { cid, .. }
        | Op::CreateChannel { cid, .. }
        | Op::AnswerInvite { cid, .. }
        | Op::SendMessage { cid, .. } => Some(ConsentOf::Channel(cid.clone())),
        _ => None,
    }
}
