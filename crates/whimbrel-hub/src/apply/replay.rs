//! Answering a repeat: with what was decided then, and with the rows as they are now.

use super::{Applied, Refusal, Scene, is_active, message_in, record, step::add_profiles};
use crate::{Answer, Digest, WorkingSet, keys::account_key};
use whimbrel_model::{ChannelId, Code, Message, Op, Row, StreamEvent, StreamId, UserId};
use whimbrel_protocol::Outcome;

/// Returns the stored answer to this operation, a refusal if its id was used for another, or nothing if it is new.
pub(super) fn find(set: &mut WorkingSet, scene: &Scene<'_>) -> Option<Result<Answer, Refusal>> {
    let same = |digest: &Digest, answer: Answer| {
        if *digest == scene.digest {
            return Ok(answer);
        }
        Err(Refusal {
            code: Code::OpConflict,
            message: format!("the operation id {} was used for another operation", scene.op.id),
        })
    };
    if let Some(result) = set.result(scene.user, scene.op.id) {
        return Some(same(&result.digest, result.answer.clone()));
    }
    if let Some(sent) = set.message_of_op(scene.user, scene.op.id) {
        return Some(same(&sent.digest, Answer::Accepted));
    }
    if is_made_already(set, scene) {
        // Under another operation id, so that what comes after this one finds an answer too.
        record(set, scene, Answer::Accepted);
        return Some(Ok(Answer::Accepted));
    }
    None
}

/// Returns whether what the operation would make is there, made by the same user from the same content.
fn is_made_already(set: &WorkingSet, scene: &Scene<'_>) -> bool {
    match &scene.op.op {
        Op::CreateChannel { cid, .. } => set
            .channel(cid)
            .is_some_and(|made| made.channel.created_by == *scene.user && made.digest == scene.digest),
        Op::SendMessage { id, .. } => set
            .message(*id)
            .is_some_and(|made| made.message.author == *scene.user && made.digest == scene.digest),
        _ => false,
    }
}

/// Answers a repeat of an accepted operation: steps that move no cursor, with the current rows.
pub(super) fn accepted(set: &WorkingSet, scene: &Scene<'_>) -> Applied {
    let mut steps: Vec<StreamEvent> = Vec::new();
    for row in current_rows(set, scene) {
        let stream = row.stream();
        if let Some(step) = steps.iter_mut().find(|step| step.stream == stream) {
            step.rows.push(row);
            continue;
        }
        let head = set.head(&stream);
        let step = StreamEvent {
            stream,
            from: head.ver,
            to: head.ver,
            seq: head.seq,
            rows: vec![row],
        };
        steps.push(step);
    }
    let steps = steps.into_iter().filter_map(|step| {
        if may_see(set, scene, &step) {
            return Some(step);
        }
        own_until_gone(set, scene, step)
    });
    let mut steps: Vec<StreamEvent> = steps.collect();
    for step in &mut steps {
        step.rows.sort_by_key(Row::ver);
        add_profiles(set, &mut step.rows);
    }
    Applied {
        outcome: Outcome::Accepted { steps },
        events: Vec::new(),
    }
}

/// Returns whether the actor may see a step: of the own stream, or of a channel that the actor is in now.
pub(super) fn may_see(set: &WorkingSet, scene: &Scene<'_>, step: &StreamEvent) -> bool {
    match &step.stream {
        StreamId::User(user) => user == scene.user,
        StreamId::Channel(cid) => is_active(set, cid, scene.user),
    }
}

/// Returns the step of an own message as the actor may still see it, who left or was removed: who sent it and missed the
/// answer keeps it, and learns nothing of what came after.
///
/// A message that was changed since is told as it was sent: what it was in between is not known any more.
fn own_until_gone(set: &WorkingSet, scene: &Scene<'_>, step: StreamEvent) -> Option<StreamEvent> {
    let Op::SendMessage { cid, id, body, .. } = &scene.op.op else {
        return None;
    };
    let gone = set.member(cid, scene.user)?;
    let mut message = message_in(set, cid, *id)?.clone();
    if message.ver >= gone.ver {
        message = Message {
            body: body.clone(),
            edited_at: None,
            revision: 0,
            deleted_at: None,
            // The last version that the actor may know of: whatever the feed says after a return is newer.
            ver: gone.ver.saturating_sub(1),
            ..message
        };
    }
    Some(StreamEvent {
        from: message.ver,
        to: message.ver,
        seq: message.seq,
        rows: vec![Row::Message(message)],
        ..step
    })
}

/// Returns the rows that the operation made or changed, or would have, as they are now.
fn current_rows(set: &WorkingSet, scene: &Scene<'_>) -> Vec<Row> {
    let channel = |cid| {
        set.channel(cid)
            .map(|record| Row::Channel(record.channel.clone()))
    };
    match &scene.op.op {
        Op::CreateChannel { cid, members, .. } => {
            let members =
                std::iter::once(scene.user).chain(members.iter().filter(|user| *user != scene.user));
            channel(cid)
                .into_iter()
                .chain(member_rows(set, scene, cid, members))
                .collect()
        }
        Op::UpdateChannel { cid, .. } => channel(cid).into_iter().collect(),
        Op::AddMembers { cid, users }
        | Op::RemoveMembers { cid, users }
        | Op::InviteMembers { cid, users } => member_rows(set, scene, cid, users.iter()),
        Op::AnswerInvite { cid, .. } => member_rows(set, scene, cid, std::iter::once(scene.user)),
        Op::MarkDelivered { cid, .. } => {
            let row = set.delivered(cid, scene.user);
            row.cloned().map(Row::Delivered).into_iter().collect()
        }
        Op::SendMessage { cid, id, .. }
        | Op::EditMessage { cid, id, .. }
        | Op::DeleteMessage { cid, id }
        | Op::PinMessage { cid, id, .. }
        | Op::UnpinMessage { cid, id } => message_in(set, cid, *id)
            .cloned()
            .map(Row::Message)
            .into_iter()
            .collect(),
        Op::AddReaction { message, kind, .. } | Op::RemoveReaction { message, kind, .. } => {
            let row = set.reaction(*message, scene.user, kind);
            row.cloned().map(Row::Reaction).into_iter().collect()
        }
        Op::MarkRead { cid, thread, .. } => set
            .read(cid, scene.user, *thread)
            .cloned()
            .map(Row::Read)
            .into_iter()
            .collect(),
        Op::UpdateMembership { cid, .. } => set
            .membership(cid, scene.user)
            .cloned()
            .map(Row::Membership)
            .into_iter()
            .collect(),
        Op::SaveDraft {
            cid,
            parent,
            device,
            replaces,
            ..
        } => {
            let devices = replaces.iter().map(|seen| seen.device).chain([*device]);
            let slots = devices.filter_map(|device| set.draft(scene.user, cid, *parent, device));
            slots.cloned().map(Row::Draft).collect()
        }
        Op::UpdateUser { .. } => set.user(scene.user).cloned().map(Row::User).into_iter().collect(),
        op => {
            let keys = account_key(op).into_iter();
            let rows = keys.filter_map(|key| set.account(scene.user, &key));
            rows.cloned().map(Row::Account).collect()
        }
    }
}

fn member_rows<'a>(
    set: &WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    users: impl Iterator<Item = &'a UserId>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for user in users.collect::<std::collections::BTreeSet<_>>() {
        rows.extend(set.member(cid, user).cloned().map(Row::Member));
        if user == scene.user {
            rows.extend(set.membership(cid, user).cloned().map(Row::Membership));
        }
    }
    rows
}
