//! What may become of operations that were never sent when a later one is queued: a second, simpler statement of it.

use super::{Mutant, Violation, log::violated};
use whimbrel_model::{
    Change, ChannelId, Custom, Delta, DeviceId, DraftSeen, MessageBody, MessageId, Op, OpId, OutboxItem,
    SettingsChange, UserId,
};

/// Checks how an outbox changed as `op` was queued under `id`: C2, C4, E8.
pub(super) fn check(before: &[OutboxItem], after: &[OutboxItem], id: OpId, op: &Op) -> Result<(), Violation> {
    let now = |id: OpId| after.iter().find(|item| item.id == id);
    let touched: Vec<&OutboxItem> = before
        .iter()
        .filter(|item| now(item.id).is_none_or(|kept| kept.op != item.op))
        .collect();
    let Some(first) = touched.iter().map(|item| item.pos).min() else {
        let says_it = |item: &OutboxItem| match (&item.op, op) {
            (Op::MarkRead { epoch, seq, .. }, Op::MarkRead { epoch: e, seq: s, .. }) => {
                item.op.read_thread() == op.read_thread() && (epoch, seq) >= (e, s)
            }
            (queued, op) => queued == op || is_both(queued, op, queued),
        };
        let unsent = before
            .iter()
            .filter(|item| !item.attempted && item.rejection().is_none());
        if now(id).is_none() && !unsent.filter(|item| item.op.lane() == op.lane()).any(says_it) {
            return violated(
                "C2",
                format!("{} {id} was taken and is not in the outbox", op.name()),
            );
        }
        return Ok(());
    };
    let lane = |item: &&OutboxItem| item.op.lane() == op.lane();
    if let Some(item) = touched
        .iter()
        .find(|item| item.attempted || item.rejection().is_some() || !lane(item))
    {
        return violated(
            "C4",
            format!(
                "{} {} was changed by a later {}",
                item.op.name(),
                item.id,
                op.name()
            ),
        );
    }
    // What was rejected is out of the way: it happens after whatever is repeated.
    let waits = |item: &&OutboxItem| lane(item) && item.rejection().is_none();
    let later = before.iter().filter(waits).filter(|item| item.pos > first);
    if let Some(item) = later.clone().find(|item| is_about_access(&item.op)) {
        return violated(
            "C4",
            format!("{} went up in what comes before a {}", op.name(), item.op.name()),
        );
    }
    let gone = touched.iter().all(|item| now(item.id).is_none());
    if gone {
        check_gone(&touched, after, op)
    } else {
        check_merged(&touched, after, op)
    }
}

fn is_about_access(op: &Op) -> bool {
    matches!(
        op,
        Op::CreateChannel { .. }
            | Op::AddMembers { .. }
            | Op::RemoveMembers { .. }
            | Op::InviteMembers { .. }
            | Op::AnswerInvite { .. }
    )
}

/// Several left together with the new one: all were about a message that nobody will ever see.
fn check_gone(gone: &[&OutboxItem], after: &[OutboxItem], op: &Op) -> Result<(), Violation> {
    let Some(message) = op.message() else {
        return violated("C4", format!("{} ended what it is not about", op.name()));
    };
    if gone.iter().any(|item| item.op.message() != Some(message)) {
        return violated("C4", format!("{} ended what it is not about", op.name()));
    }
    let takes_send = gone.iter().any(|item| matches!(item.op, Op::SendMessage { .. }));
    let missed = |item: &&OutboxItem| {
        item.op.message() == Some(message) || item.op.needs_messages().any(|needed| needed == message)
    };
    match after.iter().find(missed).filter(|_| takes_send) {
        Some(item) => violated(
            "C4",
            format!(
                "message {message} was never sent, and {} {} needs it",
                item.op.name(),
                item.id
            ),
        ),
        None => Ok(()),
    }
}

/// One stands for both: it says what the later one says.
fn check_merged(touched: &[&OutboxItem], after: &[OutboxItem], op: &Op) -> Result<(), Violation> {
    for item in touched {
        let Some(kept) = after.iter().find(|kept| kept.id == item.id) else {
            continue;
        };
        let says = match (&item.op, op, &kept.op) {
            (_, Op::EditMessage { body: new, .. }, kept) => body(kept) == Some(new),
            (
                Op::MarkRead { epoch, seq, .. },
                Op::MarkRead { epoch: e, seq: s, .. },
                Op::MarkRead {
                    epoch: ke, seq: ks, ..
                },
            ) => {
                let threads = [&item.op, op, &kept.op].map(Op::read_thread);
                (*ke, *ks) == (*epoch, *seq).max((*e, *s))
                    && threads[0] == threads[1]
                    && threads[1] == threads[2]
            }
            (old, new, kept) => is_both(old, new, kept),
        };
        if !says {
            return violated(
                "E8",
                format!("{:?} and then {op:?} became {:?}", item.op, kept.op),
            );
        }
    }
    Ok(())
}

/// Whether `kept` says what `old` and then `new` say. What replaces the old one as a whole says it alone.
fn is_both(old: &Op, new: &Op, kept: &Op) -> bool {
    if place(old) != place(new) || place(new) != place(kept) {
        return false;
    }
    if let (Some(old), Some(new), Some(kept)) = (patch(old), patch(new), patch(kept)) {
        return *kept.0 == new.0.clone().or(old.0.clone())
            && *kept.1 == new.1.clone().or(old.1.clone())
            && *kept.2 == new.2.clone().or(old.2.clone());
    }
    match (old, new, kept) {
        (
            Op::UpdateMembership { change: old, .. },
            Op::UpdateMembership { change: new, .. },
            Op::UpdateMembership { change: kept, .. },
        ) => {
            kept.pinned == new.pinned.or(old.pinned)
                && kept.archived == new.archived.or(old.archived)
                && kept.hidden == new.hidden.or(old.hidden)
                && kept.muted == new.muted.or(old.muted)
                && kept.consent == new.consent.or(old.consent)
        }
        (
            Op::SaveDraft { replaces: old, .. },
            Op::SaveDraft {
                content: new,
                replaces,
                ..
            },
            Op::SaveDraft {
                content,
                replaces: kept,
                ..
            },
        ) => {
            // Of a slot that both have seen, the later one has seen the later version.
            let named = |device| replaces.iter().chain(old).find(|seen| seen.device == device);
            let is_kept = |seen: &DraftSeen| kept.iter().any(|kept| kept.device == seen.device);
            content == new
                && old.iter().chain(replaces).all(is_kept)
                && kept.iter().all(|kept| named(kept.device) == Some(kept))
        }
        _ => is_both_of_account(old, new, kept),
    }
}

fn is_both_of_account(old: &Op, new: &Op, kept: &Op) -> bool {
    match (old, new, kept) {
        (
            Op::UpdateSettings { change: old },
            Op::UpdateSettings { change: new },
            Op::UpdateSettings { change: kept },
        ) => is_both_settings(old, new, kept),
        (
            Op::UpdateContact { change: old, .. },
            Op::UpdateContact { change: new, .. },
            Op::UpdateContact { change: kept, .. },
        ) => kept.consent == new.consent.or(old.consent) && kept.muted == new.muted.or(old.muted),
        (
            Op::UpdateDevice { change: old, .. },
            Op::UpdateDevice { change: new, .. },
            Op::UpdateDevice { change: kept, .. },
        ) => {
            kept.name == new.name.clone().or(old.name.clone())
                && kept.push == new.push.clone().or(old.push.clone())
        }
        // A name is taken once, by the first that has one.
        (
            Op::RegisterDevice { name: old, .. },
            Op::RegisterDevice { name, agent, key, .. },
            Op::RegisterDevice {
                name: kept_name,
                agent: kept_agent,
                key: kept_key,
                ..
            },
        ) => {
            let first = if old.is_empty() { name } else { old };
            (kept_name, kept_agent, kept_key) == (first, agent, key)
        }
        (_, new, kept) => new == kept,
    }
}

fn is_both_settings(old: &SettingsChange, new: &SettingsChange, kept: &SettingsChange) -> bool {
    kept.invisible == new.invisible.or(old.invisible)
        && kept.typing_indicators == new.typing_indicators.or(old.typing_indicators)
        && kept.read_receipts == new.read_receipts.or(old.read_receipts)
        && kept.delivery_receipts == new.delivery_receipts.or(old.delivery_receipts)
        && kept.device_receipts == new.device_receipts.or(old.device_receipts)
        && kept.status == new.status.clone().or(old.status.clone())
        && kept.custom == new.custom.clone().or(old.custom.clone())
}

/// What an update changes: the name, the picture, the custom data.
type Patch<'a> = (&'a Option<String>, &'a Option<String>, &'a Option<Custom>);

fn patch(op: &Op) -> Option<Patch<'_>> {
    match op {
        Op::UpdateChannel {
            name, image, custom, ..
        }
        | Op::UpdateUser { name, image, custom } => Some((name, image, custom)),
        _ => None,
    }
}

/// What an operation is about: its kind, the channel, the message or thread, the device, the user.
type Place<'a> = (
    &'static str,
    Option<&'a ChannelId>,
    Option<MessageId>,
    Option<DeviceId>,
    Option<&'a UserId>,
);

/// Returns what an operation is about, as far as two can go up in one.
fn place(op: &Op) -> Place<'_> {
    match op {
        Op::SaveDraft { parent, device, .. } => (op.name(), op.cid(), *parent, Some(*device), None),
        Op::RegisterDevice { device, .. } | Op::UpdateDevice { device, .. } => {
            (op.name(), None, None, Some(*device), None)
        }
        Op::UpdateContact { user, .. } => (op.name(), None, None, None, Some(user)),
        Op::AddReaction { .. } | Op::RemoveReaction { .. } => {
            ("reaction", op.cid(), op.message(), None, None)
        }
        Op::PinMessage { .. } | Op::UnpinMessage { .. } => ("pin", op.cid(), op.message(), None, None),
        _ => (op.name(), op.cid(), op.message(), None, None),
    }
}

fn body(op: &Op) -> Option<&MessageBody> {
    match op {
        Op::SendMessage { body, .. } | Op::EditMessage { body, .. } => Some(body),
        _ => None,
    }
}

/// Folds as a mutant does, where that is wrong. Nothing: there it does as the engine does.
pub(super) fn wrong(mutant: Mutant, outbox: &[OutboxItem], op: &Op) -> Option<Delta> {
    let unsent =
        |item: &&OutboxItem| !item.attempted && item.rejection().is_none() && item.op.lane() == op.lane();
    let about = |item: &&OutboxItem| item.op.message() == op.message() && op.message().is_some();
    let mut unsents = outbox.iter().filter(unsent);
    match (mutant, op) {
        (Mutant::FoldAcrossAccess, Op::EditMessage { body: new, .. }) => {
            let mut item = unsents
                .clone()
                .find(|item| about(item) && body(&item.op).is_some())?
                .clone();
            unsents.find(|other| other.pos > item.pos && is_about_access(&other.op))?;
            if let Op::SendMessage { body, .. } | Op::EditMessage { body, .. } = &mut item.op {
                body.clone_from(new);
            }
            Some(Change::Outbox(item).into())
        }
        (Mutant::AnnihilateNeeded, Op::DeleteMessage { id, .. }) => {
            let sends = |item: &&OutboxItem| about(item) && matches!(item.op, Op::SendMessage { .. });
            unsents.clone().find(sends)?;
            outbox
                .iter()
                .find(|item| item.op.needs_messages().any(|needed| needed == *id) && !about(item))?;
            let gone = unsents.filter(about);
            Some(Delta {
                changes: gone.map(|item| Change::OutboxRemoved(item.id)).collect(),
            })
        }
        (Mutant::ReadFoldSmaller, Op::MarkRead { epoch, seq, .. }) => {
            let mut item = unsents
                .find(|item| {
                    matches!(item.op, Op::MarkRead { .. }) && item.op.read_thread() == op.read_thread()
                })?
                .clone();
            if let Op::MarkRead { epoch: e, seq: s, .. } = &mut item.op {
                if (*e, *s) == (*epoch, *seq) {
                    return None;
                }
                (*e, *s) = (*e, *s).min((*epoch, *seq));
            }
            Some(Change::Outbox(item).into())
        }
        (Mutant::SettingsFoldForgets, Op::UpdateMembership { .. }) => {
            let settings = |item: &&OutboxItem| matches!(item.op, Op::UpdateMembership { .. });
            let mut item = unsents.find(settings)?.clone();
            if is_both(&item.op, op, op) {
                return None;
            }
            item.op = op.clone();
            Some(Change::Outbox(item).into())
        }
        _ => None,
    }
}
