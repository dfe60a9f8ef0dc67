//! How a thread looks in the list, and where it stands: its stored row with the outbox laid over it.

use super::ThreadItem;
use crate::{channel_list, outbox::Outbox};
use std::cmp::Reverse;
use whimbrel_model::{
    ConsentState, FollowedThread, MemberState, ThreadPlace, UserId,
    overlay::{self, MessageStatus},
};

/// Where a thread stands: by the outbox position of the last own reply that waits, and then by its place in the store's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Reverse<(u64, ThreadPlace)>);

impl Key {
    /// Returns whether it stands at a place of the store's order, or before it.
    pub(super) fn is_at_or_before(self, end: ThreadPlace) -> bool {
        self <= Self(Reverse((0, end)))
    }
}

/// Returns whether the account is on its way out of the channel, or has denied it.
fn is_out(thread: &FollowedThread, outbox: &Outbox, me: &UserId) -> bool {
    let stored = thread.membership.as_ref();
    let was_in = stored.is_some_and(|own| own.state == MemberState::Active);
    let own = channel_list::own(&thread.parent.cid, stored, outbox, me);
    own.is_some_and(|own| {
        was_in && own.state != MemberState::Active || outbox.people().consent(&own) == ConsentState::Denied
    })
}

/// Returns whether writing in its channel may make it one that is not denied.
pub(super) fn may_be_allowed(thread: &FollowedThread, outbox: &Outbox, me: &UserId) -> bool {
    thread.followed && thread.parent.thread.is_some() && is_out(thread, outbox, me)
}

/// Computes a thread's row. Nothing: the account does not follow it, or there is nothing to show.
pub(super) fn show(thread: &FollowedThread, outbox: &Outbox, me: &UserId) -> Option<(Key, ThreadItem)> {
    let parent = overlay::message(Some(&thread.parent), outbox.about(thread.parent.id))?;
    // One that the store has already is answered, and leaves the outbox with the next write.
    let waiting = outbox.replies(thread.parent.id).filter_map(|item| {
        let view = overlay::message(
            None,
            item.op.message().into_iter().flat_map(|id| outbox.about(id)),
        )?;
        (view.status == MessageStatus::Pending).then_some((item.pos, view))
    });
    let waiting: Vec<_> = waiting.collect();
    let is_listed = thread.followed && thread.parent.thread.is_some();
    if is_out(thread, outbox, me) || !is_listed && waiting.is_empty() {
        return None;
    }
    let accepted = thread.parent.thread.map_or(0, |summary| summary.replies);
    let pending = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let newest = waiting.into_iter().last();
    let stored = thread.last_reply.as_ref();
    let key = Key(Reverse((
        newest.as_ref().map_or(0, |(pos, _)| *pos),
        thread.place(),
    )));
    let last_reply = match newest {
        Some((_, view)) => Some(view),
        None => stored.and_then(|reply| overlay::message(Some(reply), outbox.about(reply.id))),
    };
    let item = ThreadItem {
        parent,
        last_reply_hidden: last_reply
            .as_ref()
            .is_some_and(|view| outbox.people().is_denied(&view.message.author)),
        last_reply,
        replies: accepted.saturating_add(pending),
        unread: thread.unread,
        unread_unknown: thread.unread_unknown,
        pending,
    };
    Some((key, item))
}
