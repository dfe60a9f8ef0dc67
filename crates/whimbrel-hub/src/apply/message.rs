use super::{Refusal, Scene, message_in, step::Steps};
use crate::{MessageRecord, WorkingSet};
use whimbrel_model::{ChannelId, Code, Message, MessageBody, MessageId, Op, Row, StreamId};

pub(super) fn send(set: &mut WorkingSet, scene: &Scene<'_>) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    let Op::SendMessage {
        cid,
        id,
        body,
        parent,
        show_in_channel,
        quoted,
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
    if let Some(parent) = parent
        && find(set, cid, *parent)?.parent.is_some()
    {
        return Err(Refusal {
            code: Code::Invalid,
            message: format!("parent must not be a reply itself, as {parent} is"),
        });
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
        body: body.clone(),
        parent: *parent,
        show_in_channel: *show_in_channel,
        quoted: *quoted,
        composed_at: scene.op.composed_at,
        accepted_at: Some(scene.now),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    };
    steps.push(Row::Message(message.clone()));
    set.put_message(MessageRecord {
        message,
        op: scene.op.id,
        digest: scene.digest,
    });
    Ok(steps)
}

/// Replaces the body. Whatever revision the author saw, the last in server order wins.
pub(super) fn edit(set: &mut WorkingSet, scene: &Scene<'_>, id: MessageId, body: &MessageBody) -> Steps {
    change(set, id, |message| {
        message.body = body.clone();
        message.revision = message.revision.saturating_add(1);
        message.edited_at = Some(scene.now);
    })
}

/// Empties the body, for good.
pub(super) fn delete(set: &mut WorkingSet, scene: &Scene<'_>, id: MessageId) -> Steps {
    change(set, id, |message| {
        message.body = MessageBody::default();
        message.deleted_at = Some(scene.now);
    })
}

/// Changes a message that is not deleted.
fn change(set: &mut WorkingSet, id: MessageId, change: impl FnOnce(&mut Message)) -> Steps {
    let mut steps = Steps::default();
    let record = set.message(id).filter(|record| !record.message.is_deleted());
    if let Some(mut record) = record.cloned() {
        change(&mut record.message);
        let stream = StreamId::Channel(record.message.cid.clone());
        record.message.ver = steps.next_ver(set, &stream);
        steps.push(Row::Message(record.message.clone()));
        set.put_message(record);
    }
    steps
}

fn find<'a>(set: &'a WorkingSet, cid: &ChannelId, id: MessageId) -> Result<&'a Message, Refusal> {
    message_in(set, cid, id).ok_or_else(|| Refusal {
        code: Code::MessageNotFound,
        message: format!("there is no message {id} in {cid}"),
    })
}
