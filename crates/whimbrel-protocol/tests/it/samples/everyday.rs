//! Threads, pins, drafts, how a channel is kept, and messages that are more than plain.

use super::{cid, full_body, id, message_id, rows::plain_message, user};
use whimbrel_model::{
    DeviceId, Draft, DraftContent, DraftSeen, Hide, MemberState, Membership, MembershipChange, Message,
    MessageBody, MessageKind, Mute, Op, Pin, Read, Role, Row, SetMute, ThreadSummary, Timestamp,
};

const LATER: Timestamp = Timestamp(1_764_100_000_000);

fn device(number: u128) -> DeviceId {
    DeviceId(id(number))
}

fn content() -> DraftContent {
    DraftContent {
        body: full_body(),
        quoted: Some(message_id(3)),
        show_in_channel: true,
        silent: true,
    }
}

fn to_all() -> MessageBody {
    MessageBody {
        mention_channel: true,
        mention_here: true,
        content_type: "order".to_owned(),
        ..MessageBody::text("all hands")
    }
}

/// The operations, by name.
pub(super) fn ops() -> Vec<(&'static str, Op)> {
    let mut ops = message_ops();
    ops.extend(own_ops());
    ops
}

fn message_ops() -> Vec<(&'static str, Op)> {
    let (cid, id) = (cid(), message_id(1));
    vec![
        (
            "send_message-note",
            Op::SendMessage {
                cid: cid.clone(),
                id,
                body: to_all(),
                parent: None,
                show_in_channel: false,
                quoted: None,
                kind: MessageKind::System,
                silent: true,
            },
        ),
        (
            "pin_message",
            Op::PinMessage {
                cid: cid.clone(),
                id,
                until: None,
            },
        ),
        (
            "pin_message-until",
            Op::PinMessage {
                cid: cid.clone(),
                id,
                until: Some(LATER),
            },
        ),
        ("unpin_message", Op::UnpinMessage { cid: cid.clone(), id }),
        (
            "mark_read-thread",
            Op::MarkRead {
                cid: cid.clone(),
                thread: Some(id),
                epoch: 1,
                seq: 4,
            },
        ),
    ]
}

fn own_ops() -> Vec<(&'static str, Op)> {
    let (cid, id) = (cid(), message_id(1));
    let keep = |change| Op::UpdateMembership {
        cid: cid.clone(),
        change,
    };
    vec![
        (
            "update_membership",
            keep(MembershipChange {
                consent: None,
                pinned: Some(true),
                archived: Some(false),
                hidden: Some(Hide::Until { seq: 7 }),
                muted: Some(SetMute::On(Mute { until: Some(LATER) })),
            }),
        ),
        (
            "update_membership-back",
            keep(MembershipChange {
                hidden: Some(Hide::Show),
                muted: Some(SetMute::Off),
                ..MembershipChange::default()
            }),
        ),
        (
            "update_membership-mute",
            keep(MembershipChange {
                muted: Some(SetMute::On(Mute { until: None })),
                ..MembershipChange::default()
            }),
        ),
        (
            "save_draft",
            Op::SaveDraft {
                cid: cid.clone(),
                parent: None,
                device: device(0xd),
                content: None,
                replaces: Vec::new(),
            },
        ),
        (
            "save_draft-full",
            Op::SaveDraft {
                cid: cid.clone(),
                parent: Some(id),
                device: device(0xd),
                content: Some(content()),
                replaces: vec![DraftSeen {
                    device: device(0xe),
                    ver: 9,
                }],
            },
        ),
    ]
}

/// The rows, by name.
pub(super) fn rows() -> Vec<(&'static str, Row)> {
    let draft = Draft {
        user: user("ada"),
        cid: cid(),
        parent: None,
        device: device(0xd),
        content: None,
        updated_at: LATER,
        ver: 8,
    };
    vec![
        (
            "message-kept",
            Row::Message(Message {
                kind: MessageKind::System,
                silent: true,
                body: to_all(),
                pinned: Some(Pin {
                    by: user("bob"),
                    at: Timestamp(1_764_000_003_000),
                    until: Some(LATER),
                }),
                thread: Some(ThreadSummary {
                    replies: 2,
                    last_seq: 9,
                    last_at: Timestamp(1_764_000_004_000),
                }),
                ..plain_message()
            }),
        ),
        (
            "read-thread",
            Row::Read(Read {
                private: false,
                cid: cid(),
                user: user("bob"),
                thread: Some(message_id(1)),
                epoch: 1,
                seq: 4,
                furthest: 9,
                ver: 16,
            }),
        ),
        (
            "membership-kept",
            Row::Membership(Membership {
                pinned_at: Some(Timestamp(1_764_000_005_000)),
                archived_at: Some(Timestamp(1_764_000_006_000)),
                hidden_seq: Some(7),
                muted: Some(Mute { until: Some(LATER) }),
                ..Membership::new(cid(), user("ada"), Role::Owner, MemberState::Active, 3)
            }),
        ),
        ("draft", Row::Draft(draft.clone())),
        (
            "draft-full",
            Row::Draft(Draft {
                parent: Some(message_id(1)),
                content: Some(content()),
                ..draft
            }),
        ),
    ]
}
