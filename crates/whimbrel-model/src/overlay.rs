//! What the user sees: the server's rows with the outbox laid over them.
//!
//! Pure functions of (rows, outbox), so that the view can always be computed again and a page from the server can
//! never make an unsent message disappear.

use crate::{Message, Op, OutboxItem, Pin, Reaction, ReactionType, Rejection, UserId};

/// A message as shown on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// The message, local edits and deletion included.
    pub message: Message,
    /// How far it has come.
    pub status: MessageStatus,
    /// Whether an edit or a deletion of it waits in the outbox.
    pub change_pending: bool,
}

/// How far an own message has come. Others' messages are always [`MessageStatus::Sent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageStatus {
    /// On this device, durable, on its way.
    Pending,
    /// Accepted by the server: it has its place and its time.
    Sent,
    /// Rejected by the server. The text is kept.
    Failed(Rejection),
}

/// All reactions of one type to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionGroup {
    /// Which.
    pub kind: ReactionType,
    /// By how many users.
    pub count: u32,
    /// Whether the own one is among them.
    pub mine: bool,
}

/// Computes how a message looks.
///
/// `stored` is the server's row, `ops` the outbox items whose [`Op::message`] is this message, in outbox order.
/// Returns nothing when there is nothing to show: no row and no send, or a deletion of what was never accepted.
#[must_use]
pub fn message<'a>(
    stored: Option<&Message>,
    ops: impl IntoIterator<Item = &'a OutboxItem>,
) -> Option<MessageView> {
    let mut view = stored.map(|message| MessageView {
        message: message.clone(),
        status: MessageStatus::Sent,
        change_pending: false,
    });
    for item in ops {
        lay_over(&mut view, item);
    }
    view.filter(|view| view.message.seq > 0 || !view.message.is_deleted())
}

fn lay_over(view: &mut Option<MessageView>, item: &OutboxItem) {
    match (&item.op, view) {
        (Op::SendMessage { .. }, view @ None) => *view = echo(item),
        // A rejected edit or deletion is in the outbox with its reason; what the server has is what is shown.
        (Op::EditMessage { body, .. }, Some(view))
            if item.rejection().is_none() && !view.message.is_deleted() =>
        {
            view.message.body = body.clone();
            view.change_pending = true;
        }
        (Op::PinMessage { until, .. }, Some(view))
            if item.rejection().is_none() && !view.message.is_deleted() =>
        {
            view.message.pinned = Some(Pin {
                by: item.user.clone(),
                at: item.composed_at,
                until: *until,
            });
            view.change_pending = true;
        }
        (Op::UnpinMessage { .. }, Some(view)) if item.rejection().is_none() => {
            view.message.pinned = None;
            view.change_pending = true;
        }
        (Op::DeleteMessage { .. }, Some(view)) if item.rejection().is_none() => {
            view.message.body = crate::MessageBody::default();
            view.message.deleted_at = Some(item.composed_at);
            view.message.pinned = None;
            view.change_pending = true;
        }
        _ => {}
    }
}

fn echo(item: &OutboxItem) -> Option<MessageView> {
    let Op::SendMessage {
        cid,
        id,
        body,
        parent,
        show_in_channel,
        quoted,
        kind,
        silent,
    } = &item.op
    else {
        return None;
    };
    let message = Message {
        id: *id,
        cid: cid.clone(),
        author: item.user.clone(),
        seq: 0,
        ver: 0,
        kind: *kind,
        silent: *silent,
        body: body.clone(),
        parent: *parent,
        show_in_channel: *show_in_channel,
        quoted: *quoted,
        composed_at: item.composed_at,
        accepted_at: None,
        edited_at: None,
        revision: 0,
        deleted_at: None,
        pinned: None,
        thread: None,
    };
    let status = item
        .rejection()
        .cloned()
        .map_or(MessageStatus::Pending, MessageStatus::Failed);
    Some(MessageView {
        message,
        status,
        change_pending: false,
    })
}

/// Computes the reactions to one message, sorted by type.
///
/// `stored` are the server's rows of that message, `ops` the outbox items about it in outbox order, `me` the account.
#[must_use]
pub fn reactions<'a>(
    stored: impl IntoIterator<Item = &'a Reaction>,
    ops: impl IntoIterator<Item = &'a OutboxItem>,
    me: &UserId,
) -> Vec<ReactionGroup> {
    let mut groups: Vec<ReactionGroup> = Vec::new();
    for row in stored.into_iter().filter(|row| !row.removed) {
        let mine = row.user == *me;
        match groups.iter_mut().find(|group| group.kind == row.kind) {
            Some(group) => {
                group.count += 1;
                group.mine |= mine;
            }
            None => groups.push(ReactionGroup {
                kind: row.kind.clone(),
                count: 1,
                mine,
            }),
        }
    }
    for item in ops.into_iter().filter(|item| item.rejection().is_none()) {
        match &item.op {
            Op::AddReaction { kind, .. } => set_mine(&mut groups, kind, true),
            Op::RemoveReaction { kind, .. } => set_mine(&mut groups, kind, false),
            _ => {}
        }
    }
    groups.retain(|group| group.count > 0);
    groups.sort_by(|a, b| a.kind.cmp(&b.kind));
    groups
}

fn set_mine(groups: &mut Vec<ReactionGroup>, kind: &ReactionType, mine: bool) {
    match groups.iter_mut().find(|group| group.kind == *kind) {
        Some(group) if group.mine != mine => {
            group.mine = mine;
            group.count = if mine { group.count + 1 } else { group.count - 1 };
        }
        None if mine => groups.push(ReactionGroup {
            kind: kind.clone(),
            count: 1,
            mine,
        }),
        _ => {}
    }
}
