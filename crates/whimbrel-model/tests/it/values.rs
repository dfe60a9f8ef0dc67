//! Few values of each kind, so that random ones meet.

use uuid::Uuid;
use whimbrel_model::{
    ChannelId, Code, DeviceId, Message, MessageBody, MessageId, Op, OpId, OutboxItem, OutboxStatus, Reaction,
    ReactionType, Rejection, Timestamp, UserId,
};

fn id(number: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub(crate) fn message_id(number: u64) -> MessageId {
    MessageId(id(number))
}

pub(crate) fn device(number: u64) -> DeviceId {
    DeviceId(id(2_000 + number))
}

pub(crate) fn timestamp(number: u64) -> Timestamp {
    Timestamp(i64::try_from(number).expect("it fits"))
}

pub(crate) fn cid() -> ChannelId {
    ChannelId::new("messaging:general").expect("a channel id")
}

pub(crate) fn user(number: u64) -> UserId {
    UserId::new(["ada", "bob", "eve"][usize::try_from(number % 3).expect("it fits")]).expect("a user id")
}

pub(crate) fn kind(number: u64) -> ReactionType {
    ReactionType::new(["like", "👍"][usize::try_from(number % 2).expect("it fits")]).expect("a reaction")
}

/// A message as the server has it.
pub(crate) fn message(number: u64, ver: u64, text: &str) -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: message_id(number),
        cid: cid(),
        author: user(0),
        seq: number + 1,
        ver,
        body: MessageBody::text(text),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(1),
        accepted_at: Some(Timestamp(2)),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

pub(crate) fn reaction(to: u64, by: u64, which: u64, removed: bool, ver: u64) -> Reaction {
    Reaction {
        cid: cid(),
        message: message_id(to),
        user: user(by),
        kind: kind(which),
        removed,
        at: Timestamp(3),
        ver,
    }
}

/// What waits in ada's outbox.
pub(crate) fn item(pos: u64, op: Op, rejected: bool) -> OutboxItem {
    let rejection = Rejection {
        code: Code::NotMember,
        message: String::new(),
        parent: None,
    };
    OutboxItem {
        pos,
        id: OpId(id(1_000 + pos)),
        op,
        user: user(0),
        composed_at: Timestamp(10),
        attempted: rejected,
        failures: 0,
        last_error: None,
        status: if rejected {
            OutboxStatus::Rejected(rejection)
        } else {
            OutboxStatus::Queued
        },
    }
}
