//! How a channel looks in the list, and where it stands: its stored row with the outbox laid over it.

use super::ChannelItem;
use crate::outbox::{Outbox, replace};
use std::cmp::Reverse;
use whimbrel_model::{
    ChannelId, ChannelSummary, Custom, MemberState, Op, OutboxItem, Role, Timestamp, UserId,
    overlay::{self, MessageStatus, MessageView},
};

/// Where a channel stands in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Something of it is unsent: by the outbox position of the last.
    Waiting(Reverse<u64>),
    /// By the newest accepted message.
    Active(Reverse<Timestamp>, ChannelId),
    /// No message at all.
    Empty(ChannelId),
}

impl Key {
    /// Returns the place in the store's order.
    pub(super) fn stored(row: &ChannelSummary) -> Self {
        match &row.last_message {
            Some(last) => Self::Active(
                Reverse(last.accepted_at.unwrap_or(last.composed_at)),
                row.cid.clone(),
            ),
            None => Self::Empty(row.cid.clone()),
        }
    }
}

/// Returns whether the account is in the channel, as far as the server has said.
pub(super) fn is_member(row: &ChannelSummary) -> bool {
    let membership = row.membership.as_ref();
    membership.is_some_and(|membership| membership.state == MemberState::Active)
}

/// Computes a channel's row. Returns nothing when the account is not in it, or has left it a moment ago.
pub(super) fn show(
    cid: &ChannelId,
    stored: Option<&ChannelSummary>,
    outbox: &Outbox,
    me: &UserId,
) -> Option<(Key, ChannelItem)> {
    let ops: Vec<_> = outbox.queued(Some(cid)).collect();
    let known = stored.is_some_and(|row| row.membership.is_some());
    let created = ops
        .iter()
        .rfind(|item| !known && matches!(item.op, Op::CreateChannel { .. }));
    let leaves = ops
        .iter()
        .any(|item| matches!(&item.op, Op::RemoveMembers { users, .. } if users.contains(me)));
    if leaves || !(created.is_some() || stored.is_some_and(is_member)) {
        return None;
    }
    let waiting = last_waiting(&ops, stored, outbox);
    let newest = waiting
        .as_ref()
        .map(|(pos, _)| *pos)
        .max(created.map(|item| item.pos));
    let key = match (newest, stored) {
        (Some(pos), _) => Key::Waiting(Reverse(pos)),
        (None, Some(row)) => Key::stored(row),
        (None, None) => Key::Empty(cid.clone()),
    };
    let mut item = base(cid, stored);
    item.last_message = waiting
        .map(|(_, view)| view)
        .or_else(|| last_accepted(stored, outbox));
    item.pending = u32::try_from(ops.len()).unwrap_or(u32::MAX);
    item.created_locally = created.is_some();
    for op in ops {
        lay_over(&mut item, &op.op);
    }
    Some((key, item))
}

fn base(cid: &ChannelId, stored: Option<&ChannelSummary>) -> ChannelItem {
    let channel = stored.and_then(|row| row.channel.as_ref());
    let membership = stored.and_then(|row| row.membership.as_ref());
    ChannelItem {
        cid: cid.clone(),
        name: channel.map_or_else(String::new, |channel| channel.name.clone()),
        image: channel.map_or_else(String::new, |channel| channel.image.clone()),
        custom: channel.map_or_else(Custom::default, |channel| channel.custom.clone()),
        last_message: None,
        unread: stored.map_or(0, |row| row.unread),
        unread_unknown: stored.map_or(0, |row| row.unread_unknown),
        members: stored.map_or(0, |row| row.members),
        role: membership.map_or(Role::Member, |membership| membership.role),
        pending: 0,
        created_locally: false,
    }
}

/// What is unread needs no laying over: the store counts past the read position that waits.
fn lay_over(item: &mut ChannelItem, op: &Op) {
    match op {
        Op::CreateChannel {
            name,
            image,
            custom,
            members,
            ..
        } if item.created_locally => {
            item.name.clone_from(name);
            item.image.clone_from(image);
            item.custom.clone_from(custom);
            item.members = 1 + members.len() as u64;
            item.role = Role::Owner;
        }
        Op::UpdateChannel {
            name, image, custom, ..
        } => {
            replace(&mut item.name, name.as_ref());
            replace(&mut item.image, image.as_ref());
            replace(&mut item.custom, custom.as_ref());
        }
        _ => {}
    }
}

/// Returns the last message of the timeline that still waits, and its outbox position.
fn last_waiting(
    ops: &[&OutboxItem],
    stored: Option<&ChannelSummary>,
    outbox: &Outbox,
) -> Option<(u64, MessageView)> {
    let accepted = stored.and_then(|row| row.last_message.as_ref());
    ops.iter().rev().find_map(|item| {
        let Op::SendMessage { id, .. } = &item.op else {
            return None;
        };
        let accepted = accepted.filter(|message| message.id == *id);
        overlay::message(accepted, outbox.about(*id))
            .filter(|view| view.status == MessageStatus::Pending && view.message.is_in_channel())
            .map(|view| (item.pos, view))
    })
}

fn last_accepted(stored: Option<&ChannelSummary>, outbox: &Outbox) -> Option<MessageView> {
    let message = stored?.last_message.as_ref()?;
    overlay::message(Some(message), outbox.about(message.id))
}
