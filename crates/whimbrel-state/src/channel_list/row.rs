//! How a channel looks in a list, and where it stands: its stored row with the outbox laid over it, as the query sees it.

use super::{Admission, ChannelItem, ChannelRow, asked, asks_for_members};
use crate::outbox::{Outbox, replace};
use std::borrow::Cow;
use whimbrel_model::{
    Channel, ChannelId, ChannelSummary, ConsentState, Custom, MemberState, Membership, Op, OutboxItem,
    People, Role, UserId,
    overlay::{self, MessageStatus, MessageView},
};
use whimbrel_query::{ChannelItem as Asked, FieldValue, Item, Place, Query};

/// A channel with what waits in the outbox laid over it.
pub(crate) struct LaidOver<'a> {
    pub(crate) row: Cow<'a, ChannelRow>,
    /// The last message of the timeline that waits, and its outbox position. It is the row's last message.
    waiting: Option<(u64, MessageView)>,
    /// The operation that makes the channel, if the server does not know of it yet.
    pub(crate) created: Option<&'a OutboxItem>,
    /// Operations that still go out.
    pub(crate) pending: usize,
}

/// Lays the outbox over a channel's row. Returns nothing when nothing is known of the channel.
pub(crate) fn laid_over<'a>(
    cid: &ChannelId,
    stored: Option<&'a ChannelRow>,
    outbox: &'a Outbox,
    me: &UserId,
) -> Option<LaidOver<'a>> {
    let ops: Vec<_> = outbox.queued(Some(cid)).collect();
    let known = stored.is_some_and(|row| row.summary.membership.is_some());
    let created = ops
        .iter()
        .rfind(|item| !known && matches!(item.op, Op::CreateChannel { .. }))
        .copied();
    let waiting = last_waiting(&ops, stored, outbox);
    let mut row = match stored {
        Some(row) => Cow::Borrowed(row),
        None => Cow::Owned(unknown(cid, created?)),
    };
    for item in &ops {
        match &item.op {
            Op::CreateChannel { .. } if created.is_none_or(|created| created.id != item.id) => {}
            _ => lay_over(&mut row, item, me),
        }
    }
    if let Some((_, view)) = &waiting {
        row.to_mut().summary.last_message = Some(view.message.clone());
    }
    Some(LaidOver {
        row,
        waiting,
        created,
        pending: ops.len(),
    })
}

/// Computes a channel's row. Returns nothing when the list does not want it, or nothing is known of it.
pub(super) fn show(
    cid: &ChannelId,
    stored: Option<&ChannelRow>,
    outbox: &Outbox,
    me: &UserId,
    (query, admission): (&Query, Option<&dyn Admission>),
) -> Option<(Place, ChannelItem)> {
    let without_members = stored
        .filter(|row| row.members.is_some() && !asks_for_members(query))
        .map(|row| ChannelRow::from(row.summary.clone()));
    let laid = laid_over(cid, without_members.as_ref().or(stored), outbox, me)?;
    let item = asked(&laid.row, outbox.people());
    let wanted = query.filter().matches(&item);
    if !admission.map_or(wanted, |admission| admission.admits(&laid.row.summary, wanted)) {
        return None;
    }
    let newest = laid
        .waiting
        .as_ref()
        .map(|(pos, _)| *pos)
        .max(laid.created.map(|item| item.pos));
    let place = query.place(&Placed { item, waits: newest });
    let view = laid
        .waiting
        .map(|(_, view)| view)
        .or_else(|| last_accepted(stored, outbox));
    let created = laid.created.is_some();
    let people = outbox.people();
    Some((
        place,
        item_of(&laid.row.summary, people, view, laid.pending, created),
    ))
}

/// A channel as it is placed: what waits is newer than all that was accepted.
struct Placed<'a> {
    item: Asked<'a>,
    /// The outbox position of the last thing that waits.
    waits: Option<u64>,
}

/// Later than every time: what waits is placed at this and its outbox position.
const LATER: u64 = 1 << 52;

impl Item for Placed<'_> {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match (field, self.waits) {
            ("last_message_at" | "last_updated", Some(pos)) => FieldValue::Number((LATER + pos) as f64),
            _ => self.item.built_in(field),
        }
    }

    fn custom(&self) -> Option<&Custom> {
        self.item.custom()
    }
}

/// Returns the row of a channel of which there is nothing but the operation that makes it.
fn unknown(cid: &ChannelId, created: &OutboxItem) -> ChannelRow {
    ChannelRow {
        summary: ChannelSummary {
            cid: cid.clone(),
            channel: None,
            membership: None,
            last_message: None,
            read: None,
            waiting_read: None,
            unread: 0,
            mentions: 0,
            unread_unknown: 0,
            members: 0,
            head_seq: 0,
        },
        members: Some(vec![created.user.clone()]),
    }
}

fn item_of(
    summary: &ChannelSummary,
    people: &People,
    last_message: Option<MessageView>,
    pending: usize,
    created_locally: bool,
) -> ChannelItem {
    let channel = summary.channel.as_ref();
    let membership = summary.membership.as_ref();
    ChannelItem {
        cid: summary.cid.clone(),
        // Who is invited knows what the channel was called then.
        name: match (channel, membership.and_then(|own| own.invite.as_ref())) {
            (Some(channel), _) => channel.name.clone(),
            (None, Some(invite)) => invite.name.clone(),
            (None, None) => String::new(),
        },
        image: channel.map_or_else(String::new, |channel| channel.image.clone()),
        custom: channel.map_or_else(Custom::default, |channel| channel.custom.clone()),
        last_message_hidden: last_message
            .as_ref()
            .is_some_and(|view| people.is_denied(&view.message.author)),
        last_message,
        unread: summary.unread,
        unread_unknown: summary.unread_unknown,
        mentions: summary.mentions,
        pinned_at: membership.and_then(|membership| membership.pinned_at),
        archived: membership.is_some_and(|membership| membership.archived_at.is_some()),
        hidden: membership.is_some_and(|membership| membership.is_hidden(summary.head_seq)),
        muted: membership.and_then(|membership| membership.muted),
        consent: membership.map_or(ConsentState::Unknown, |own| people.consent(own)),
        added_by: membership.and_then(|membership| membership.added_by.clone()),
        invite: membership.and_then(|membership| membership.invite.clone()),
        members: summary.members,
        role: membership.map_or(Role::Member, |membership| membership.role),
        pending: u32::try_from(pending).unwrap_or(u32::MAX),
        created_locally,
    }
}

/// Lays an operation over a row. Of messages only the last that waits matters, which is not known here. What is unread needs
/// no laying over: the store counts past the read position that waits.
fn lay_over(row: &mut Cow<'_, ChannelRow>, item: &OutboxItem, me: &UserId) {
    match &item.op {
        Op::CreateChannel { members, .. } => {
            let row = row.to_mut();
            row.summary.channel = made(item);
            let cid = row.summary.cid.clone();
            row.summary.membership = Some(Membership {
                consent: ConsentState::Allowed,
                ..Membership::new(cid, me.clone(), Role::Owner, MemberState::Active, 0)
            });
            row.members = Some(vec![me.clone()]);
            change_members(row, members, true);
        }
        Op::UpdateChannel {
            name, image, custom, ..
        } => {
            if let Some(channel) = &mut row.to_mut().summary.channel {
                replace(&mut channel.name, name.as_ref());
                replace(&mut channel.image, image.as_ref());
                replace(&mut channel.custom, custom.as_ref());
                channel.updated_at = channel.updated_at.max(item.composed_at);
            }
        }
        Op::AddMembers { users, .. } => change_members(row.to_mut(), users, true),
        Op::RemoveMembers { users, .. } => {
            change_members(row.to_mut(), users, false);
            lay_over_membership(row, item, me);
        }
        Op::AnswerInvite { accept, .. } => {
            if *accept && is_invited(row) {
                change_members(row.to_mut(), std::slice::from_ref(me), true);
            }
            lay_over_membership(row, item, me);
        }
        _ => lay_over_membership(row, item, me),
    }
}

fn is_invited(row: &ChannelRow) -> bool {
    let own = row.summary.membership.as_ref();
    own.is_some_and(|own| own.state == MemberState::Invited)
}

fn lay_over_membership(row: &mut Cow<'_, ChannelRow>, item: &OutboxItem, me: &UserId) {
    if let Some(own) = &row.summary.membership
        && changes_own(own, &item.op, me)
        && let Some(own) = &mut row.to_mut().summary.membership
    {
        lay_over_own(own, item, me);
    }
}

/// Returns whether an operation may change how the account stands in a channel.
fn changes_own(own: &Membership, op: &Op, me: &UserId) -> bool {
    match op {
        Op::UpdateMembership { .. } => true,
        Op::RemoveMembers { users, .. } => users.contains(me),
        Op::AnswerInvite { .. } => own.state == MemberState::Invited,
        Op::SendMessage { .. } => own.hidden_seq.is_some() || own.consent == ConsentState::Unknown,
        _ => false,
    }
}

/// Lays an operation over how the account stands in a channel, and keeps it.
fn lay_over_own(own: &mut Membership, item: &OutboxItem, me: &UserId) {
    if !changes_own(own, &item.op, me) {
        return;
    }
    match &item.op {
        Op::UpdateMembership { change, .. } => drop(own.change(change, item.composed_at)),
        Op::RemoveMembers { .. } => {
            own.state = MemberState::Gone;
            own.invite = None;
        }
        Op::AnswerInvite { accept, .. } => {
            own.invite = None;
            own.state = MemberState::Gone;
            if *accept {
                own.state = MemberState::Active;
                own.consent = ConsentState::Allowed;
            }
        }
        // What is new shows a hidden channel, and whoever writes allows one of which nothing was decided.
        Op::SendMessage { .. } => {
            own.hidden_seq = None;
            if own.consent == ConsentState::Unknown {
                own.consent = ConsentState::Allowed;
            }
        }
        _ => {}
    }
}

/// Returns the channel that an operation makes.
fn made(item: &OutboxItem) -> Option<Channel> {
    let Op::CreateChannel {
        cid,
        name,
        image,
        custom,
        ..
    } = &item.op
    else {
        return None;
    };
    Some(Channel {
        cid: cid.clone(),
        name: name.clone(),
        image: image.clone(),
        custom: custom.clone(),
        created_by: item.user.clone(),
        created_at: item.composed_at,
        updated_at: item.composed_at,
        ver: 0,
    })
}

/// Adds or removes members, where they are known: else nobody can say whom that changes.
fn change_members(row: &mut ChannelRow, users: &[UserId], add: bool) {
    let Some(members) = &mut row.members else { return };
    for user in users {
        match members.iter().position(|member| member == user) {
            Some(at) if !add => drop(members.remove(at)),
            None if add => members.push(user.clone()),
            _ => {}
        }
    }
    row.summary.members = members.len() as u64;
}

/// Returns how the account stands in a channel, and keeps it, with what waits laid over it.
pub(crate) fn own(
    cid: &ChannelId,
    stored: Option<&Membership>,
    outbox: &Outbox,
    me: &UserId,
) -> Option<Membership> {
    let mut own = stored?.clone();
    for item in outbox.queued(Some(cid)) {
        lay_over_own(&mut own, item, me);
    }
    Some(own)
}

/// Returns the last message of the timeline that still waits, and its outbox position.
fn last_waiting(
    ops: &[&OutboxItem],
    stored: Option<&ChannelRow>,
    outbox: &Outbox,
) -> Option<(u64, MessageView)> {
    let accepted = stored.and_then(|row| row.summary.last_message.as_ref());
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

fn last_accepted(stored: Option<&ChannelRow>, outbox: &Outbox) -> Option<MessageView> {
    let message = stored?.summary.last_message.as_ref()?;
    overlay::message(Some(message), outbox.about(message.id))
}
