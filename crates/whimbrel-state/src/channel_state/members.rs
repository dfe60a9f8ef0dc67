//! The members of a channel, as a list.

use crate::{list::Sorted, outbox::Outbox};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use whimbrel_model::{
    Change, ChannelId, Delta, Member, MemberState, Op, OutboxItem, Person, Role, Row, StreamId, Timestamp,
    UserId,
};

/// A member of a channel, or who will be one when what waits in the outbox is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberItem {
    /// Who: the identity of the row.
    pub user: UserId,
    /// May do what.
    pub role: Role,
    /// Whether the user was asked to come in, and has not answered.
    pub invited: bool,
    /// When the server accepted the last join, or the invitation. Absent: it did not yet.
    pub joined_at: Option<Timestamp>,
    /// What the account holds of the user.
    pub person: Person,
}

/// The members of one channel: the server's rows, and the list that is shown of them.
#[derive(Debug)]
pub(super) struct Members {
    cid: ChannelId,
    me: UserId,
    rows: BTreeMap<UserId, Member>,
    pub(super) list: Sorted<UserId, MemberItem>,
    /// How many are in the channel.
    pub(super) active: u64,
}

impl Members {
    pub(super) fn new(cid: ChannelId, me: UserId) -> Self {
        Self {
            cid,
            me,
            rows: BTreeMap::new(),
            list: Sorted::default(),
            active: 0,
        }
    }

    /// Replaces everyone by those whom the store has.
    pub(super) fn replace(&mut self, rows: &[Member], outbox: &Outbox) {
        let mut users: BTreeSet<_> = self.rows.keys().cloned().collect();
        self.rows = rows.iter().map(|row| (row.user.clone(), row.clone())).collect();
        users.extend(self.rows.keys().cloned());
        let waiting = outbox.of(Some(&self.cid));
        users.extend(waiting.flat_map(|item| changed(&item.op, &self.me)));
        self.show(users, outbox);
    }

    /// Takes in a delta; `ops` are the outbox items that it touches.
    pub(super) fn reduce(&mut self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut touched = BTreeSet::new();
        for change in &delta.changes {
            match change {
                Change::Row(Row::Member(row))
                    if row.cid == self.cid
                        && self.rows.get(&row.user).is_none_or(|old| row.ver > old.ver) =>
                {
                    self.rows.insert(row.user.clone(), row.clone());
                    touched.insert(row.user.clone());
                }
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.cid => {
                    self.rows.values_mut().for_each(|row| row.ver = 0);
                    touched.extend(self.rows.keys().cloned());
                }
                _ => {}
            }
        }
        let ours = ops.iter().filter(|item| item.op.cid() == Some(&self.cid));
        touched.extend(ours.flat_map(|item| changed(&item.op, &self.me)));
        self.show(touched, outbox);
    }

    /// Takes in what holds of others by now.
    pub(super) fn settle_people(&mut self, outbox: &Outbox) {
        let shown = self.list.keys().iter().cloned().collect();
        self.show(shown, outbox);
    }

    /// Computes the touched users again and shows the result as one batch.
    fn show(&mut self, touched: BTreeSet<UserId>, outbox: &Outbox) {
        if touched.is_empty() {
            return;
        }
        let mut batch = self.list.edit();
        for user in touched {
            let waiting = outbox.queued(Some(&self.cid));
            let item = member(&user, &self.me, self.rows.get(&user), waiting).map(|item| MemberItem {
                person: outbox.people().of(&user),
                ..item
            });
            let old = batch.get(&user).is_some().then_some(&user);
            batch.place(old, item.map(|item| (user.clone(), item)));
        }
        batch.commit();
        let items = self.list.items();
        self.active = items.iter().filter(|item| !item.invited).count() as u64;
    }
}

/// Returns the users of whom an operation changes whether they are in the channel.
fn changed(op: &Op, me: &UserId) -> Vec<UserId> {
    match op {
        Op::CreateChannel { members, .. } => [me].into_iter().chain(members).cloned().collect(),
        Op::AddMembers { users, .. } | Op::RemoveMembers { users, .. } | Op::InviteMembers { users, .. } => {
            users.clone()
        }
        Op::AnswerInvite { .. } => vec![me.clone()],
        _ => Vec::new(),
    }
}

/// Computes how a member looks with what waits laid over it.
fn member<'a>(
    user: &UserId,
    me: &UserId,
    stored: Option<&Member>,
    waiting: impl Iterator<Item = &'a OutboxItem>,
) -> Option<MemberItem> {
    let new = |role, invited| MemberItem {
        user: user.clone(),
        role,
        invited,
        joined_at: None,
        person: Person::default(),
    };
    // Who was in a history that the server no longer has says nothing about this one.
    let here = stored.filter(|row| row.state != MemberState::Gone && row.ver > 0);
    let mut item = here.map(|row| MemberItem {
        role: row.role,
        invited: row.state == MemberState::Invited,
        joined_at: Some(row.joined_at),
        ..new(row.role, false)
    });
    for op in waiting.map(|item| &item.op) {
        match op {
            Op::CreateChannel { .. } if user == me => {
                item = item.or_else(|| Some(new(Role::Owner, false)));
            }
            Op::CreateChannel { members: users, .. } | Op::AddMembers { users, .. }
                if users.contains(user) =>
            {
                let in_already = item.filter(|item| !item.invited);
                item = in_already.or_else(|| Some(new(Role::Member, false)));
            }
            Op::InviteMembers { users, .. } if users.contains(user) => {
                item = item.or_else(|| Some(new(Role::Member, true)));
            }
            Op::AnswerInvite { accept, .. } if user == me => {
                let accepted = |item: MemberItem| MemberItem {
                    invited: false,
                    ..item
                };
                item = item.filter(|item| *accept || !item.invited).map(accepted);
            }
            Op::RemoveMembers { users, .. } if users.contains(user) => item = None,
            _ => {}
        }
    }
    item
}
