use super::{Refusal, Scene, member, message_in, read, step::Steps};
use crate::{MessageRecord, WorkingSet};
use whimbrel_model::{
    ChannelId, Code, Invalid, Message, MessageBody, MessageId, Op, Pin, Row, StreamId, ThreadSummary,
    Timestamp,
};

pub(super) fn send(set: &mut WorkingSet, scene: &Scene<'_>) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    let Op::SendMessage {
        cid,
        id,
        body,
        parent,
        show_in_channel,
        quoted,
        kind,
        silent,
    } = &scene.op.op
    else {
        return Ok(steps);
    };
    if set.message(*id).is_some() {
        return Err(Refusal {
            code: Code::IdConflict,
            message: format!("the message id {id} belongs to another message: send it with a new id"),
        });
    }
    if let Some(parent) = parent {
        find_root(set, cid, ("parent", *parent))?;
    }
    if let Some(quoted) = quoted {
        find(set, cid, *quoted)?;
    }
    let stream = StreamId::Channel(cid.clone());
    let message = Message {
        id: *id,
        cid: cid.clone(),
        author: scene.user.clone(),
        ver: steps.next_ver(set, &stream),
        seq: set.next_seq(&stream),
        kind: *kind,
        silent: *silent,
        body: body.clone(),
        parent: *parent,
        show_in_channel: *show_in_channel,
        quoted: *quoted,
        composed_at: scene.op.composed_at,
        accepted_at: Some(scene.now),
        edited_at: None,
        revision: 0,
        deleted_at: None,
        pinned: None,
        thread: None,
    };
    let seq = message.seq;
    steps.push(Row::Message(message.clone()));
    set.put_message(MessageRecord {
        message,
        op: scene.op.id,
        digest: scene.digest,
    });
    if let Some(parent) = parent {
        change(set, &mut steps, *parent, |root| {
            root.thread = Some(ThreadSummary {
                replies: root.thread.map_or(0, |thread| thread.replies).saturating_add(1),
                last_seq: seq,
                last_at: scene.now,
            });
        });
        read::follow(set, scene, &mut steps, (cid, *parent), seq);
    }
    member::allow_by_writing(set, scene, &mut steps, cid);
    Ok(steps)
}

/// Replaces the body. Whatever revision the author saw, the last in server order wins.
pub(super) fn edit(set: &mut WorkingSet, scene: &Scene<'_>, id: MessageId, body: &MessageBody) -> Steps {
    change_undeleted(set, id, |message| {
        message.body = body.clone();
        message.revision = message.revision.saturating_add(1);
        message.edited_at = Some(scene.now);
    })
}

/// Empties the body, for good, and unpins it. A reply does not count in its thread any more.
pub(super) fn delete(set: &mut WorkingSet, scene: &Scene<'_>, id: MessageId) -> Steps {
    let mut steps = change_undeleted(set, id, |message| {
        message.body = MessageBody::default();
        message.deleted_at = Some(scene.now);
        message.pinned = None;
    });
    let parent = set.message(id).and_then(|record| record.message.parent);
    if let Some(parent) = parent.filter(|_| !steps.is_empty()) {
        change(set, &mut steps, parent, |root| {
            if let Some(thread) = &mut root.thread {
                thread.replies = thread.replies.saturating_sub(1);
            }
        });
    }
    steps
}

/// Pins a message, or pins it anew.
pub(super) fn pin(set: &mut WorkingSet, scene: &Scene<'_>, id: MessageId, until: Option<Timestamp>) -> Steps {
    change_undeleted(set, id, |message| {
        message.pinned = Some(Pin {
            by: scene.user.clone(),
            at: scene.now,
            until,
        });
    })
}

/// Unpins a message that is pinned.
pub(super) fn unpin(set: &mut WorkingSet, id: MessageId) -> Steps {
    let mut steps = Steps::default();
    if set
        .message(id)
        .is_some_and(|record| record.message.pinned.is_some())
    {
        change(set, &mut steps, id, |message| message.pinned = None);
    }
    steps
}

/// Changes a message that is not deleted.
fn change_undeleted(set: &mut WorkingSet, id: MessageId, how: impl FnOnce(&mut Message)) -> Steps {
    let mut steps = Steps::default();
    if set.message(id).is_some_and(|record| !record.message.is_deleted()) {
        change(set, &mut steps, id, how);
    }
    steps
}

/// Changes a message, if it is there.
fn change(set: &mut WorkingSet, steps: &mut Steps, id: MessageId, how: impl FnOnce(&mut Message)) {
    if let Some(mut record) = set.message(id).cloned() {
        how(&mut record.message);
        let stream = StreamId::Channel(record.message.cid.clone());
        record.message.ver = steps.next_ver(set, &stream);
        steps.push(Row::Message(record.message.clone()));
        set.put_message(record);
    }
}

/// Checks that a message can have a thread: it is in that channel, and no reply itself.
pub(super) fn find_root(
    set: &WorkingSet,
    cid: &ChannelId,
    (field, id): (&'static str, MessageId),
) -> Result<(), Refusal> {
    if find(set, cid, id)?.parent.is_some() {
        return Err(Invalid::new(field, format!("must not be a reply itself, as {id} is")).into());
    }
    Ok(())
}

fn find<'a>(set: &'a WorkingSet, cid: &ChannelId, id: MessageId) -> Result<&'a Message, Refusal> {
    message_in(set, cid, id).ok_or_else(|| Refusal {
        code: Code::MessageNotFound,
        message: format!("there is no message {id} in {cid}"),
    })
}
