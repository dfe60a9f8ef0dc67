use super::{cid, custom, full_body, heart, message_id, user};
use whimbrel_model::{
    Channel, Custom, Member, MemberState, Membership, Message, MessageBody, Reaction, Read, Role, Row,
    Timestamp, User,
};

/// As little as a message can hold.
pub(super) fn plain_message() -> Message {
    Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: message_id(1),
        cid: cid(),
        author: user("ada"),
        seq: 3,
        ver: 12,
        body: "hello".into(),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(1_764_000_000_000),
        accepted_at: Some(Timestamp(1_764_000_000_500)),
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

/// Every row, by name.
pub(crate) fn rows() -> Vec<(&'static str, Row)> {
    let mut rows = channel_rows();
    rows.extend([
        ("message", Row::Message(plain_message())),
        (
            "message-full",
            Row::Message(Message {
                id: message_id(2),
                body: full_body(),
                parent: Some(message_id(1)),
                show_in_channel: true,
                quoted: Some(message_id(3)),
                edited_at: Some(Timestamp(1_764_000_001_000)),
                revision: 2,
                ..plain_message()
            }),
        ),
        (
            "message-deleted",
            Row::Message(Message {
                body: MessageBody::default(),
                deleted_at: Some(Timestamp(1_764_000_002_000)),
                ..plain_message()
            }),
        ),
    ]);
    rows.extend(own_rows());
    rows.extend(super::everyday::rows());
    rows.extend(super::people::rows());
    rows
}

fn own_rows() -> Vec<(&'static str, Row)> {
    vec![
        ("reaction", Row::Reaction(reaction(false))),
        ("reaction-removed", Row::Reaction(reaction(true))),
        (
            "read",
            Row::Read(Read {
                private: false,
                thread: None,
                cid: cid(),
                user: user("bob"),
                epoch: 0,
                seq: 3,
                furthest: 0,
                ver: 15,
            }),
        ),
        (
            "membership",
            Row::Membership(Membership::new(
                cid(),
                user("ada"),
                Role::Owner,
                MemberState::Active,
                2,
            )),
        ),
        (
            "user",
            Row::User(User {
                id: user("ada"),
                name: String::new(),
                image: String::new(),
                custom: Custom::default(),
                ver: 1,
            }),
        ),
        (
            "user-full",
            Row::User(User {
                id: user("ada"),
                name: "Ada".to_owned(),
                image: "https://files.example/ada.png".to_owned(),
                custom: custom(),
                ver: 3,
            }),
        ),
    ]
}

fn channel_rows() -> Vec<(&'static str, Row)> {
    let plain = Channel {
        cid: cid(),
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        created_by: user("ada"),
        created_at: Timestamp(1_764_000_000_000),
        updated_at: Timestamp(1_764_000_000_000),
        ver: 1,
    };
    let full = Channel {
        name: "Reef".to_owned(),
        image: "https://files.example/reef.png".to_owned(),
        custom: custom(),
        updated_at: Timestamp(1_764_000_003_000),
        ver: 13,
        ..plain.clone()
    };
    let owner = Member {
        cid: cid(),
        user: user("ada"),
        role: Role::Owner,
        state: MemberState::Active,
        joined_at: Timestamp(1_764_000_000_000),
        ver: 2,
    };
    let gone = Member {
        user: user("bob"),
        role: Role::Member,
        state: MemberState::Gone,
        ver: 14,
        ..owner.clone()
    };
    vec![
        ("channel", Row::Channel(plain)),
        ("channel-full", Row::Channel(full)),
        ("member", Row::Member(owner)),
        ("member-gone", Row::Member(gone)),
    ]
}

pub(super) fn reaction(removed: bool) -> Reaction {
    Reaction {
        cid: cid(),
        message: message_id(1),
        user: user("bob"),
        kind: heart(),
        removed,
        at: Timestamp(1_764_000_004_000),
        ver: 16,
    }
}
