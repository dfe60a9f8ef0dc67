use super::{cid, custom, full_body, heart, message_id, user};
use whimbrel_model::{Custom, MessageId, Op};

/// Every operation, by name.
pub(crate) fn ops() -> Vec<(&'static str, Op)> {
    let mut ops = channel_ops("https://files.example/reef.png");
    ops.extend(message_ops(message_id(1)));
    ops.extend(own_ops());
    ops.extend(super::everyday::ops());
    ops.extend(super::people::ops());
    ops
}

fn message_ops(message: MessageId) -> Vec<(&'static str, Op)> {
    vec![
        (
            "send_message",
            Op::SendMessage {
                kind: whimbrel_model::MessageKind::Regular,
                silent: false,
                cid: cid(),
                id: message,
                body: "hello".into(),
                parent: None,
                show_in_channel: false,
                quoted: None,
            },
        ),
        (
            "send_message-full",
            Op::SendMessage {
                kind: whimbrel_model::MessageKind::Regular,
                silent: false,
                cid: cid(),
                id: message_id(2),
                body: full_body(),
                parent: Some(message),
                show_in_channel: true,
                quoted: Some(message_id(3)),
            },
        ),
        (
            "edit_message",
            Op::EditMessage {
                cid: cid(),
                id: message,
                body: "hello!".into(),
                base_revision: 2,
            },
        ),
        (
            "delete_message",
            Op::DeleteMessage {
                cid: cid(),
                id: message,
            },
        ),
        (
            "add_reaction",
            Op::AddReaction {
                cid: cid(),
                message,
                kind: heart(),
            },
        ),
        (
            "remove_reaction",
            Op::RemoveReaction {
                cid: cid(),
                message,
                kind: heart(),
            },
        ),
    ]
}

fn own_ops() -> Vec<(&'static str, Op)> {
    vec![
        (
            "mark_read",
            Op::MarkRead {
                thread: None,
                cid: cid(),
                epoch: 0,
                seq: 3,
            },
        ),
        (
            "update_user",
            Op::UpdateUser {
                name: Some("Ada".to_owned()),
                image: Some("https://files.example/ada.png".to_owned()),
                custom: Some(custom()),
            },
        ),
        (
            "update_user-empty",
            Op::UpdateUser {
                name: Some(String::new()),
                image: None,
                custom: Some(Custom::default()),
            },
        ),
    ]
}

fn channel_ops(image: &str) -> Vec<(&'static str, Op)> {
    vec![
        (
            "create_channel",
            Op::CreateChannel {
                cid: cid(),
                name: String::new(),
                image: String::new(),
                custom: Custom::default(),
                members: Vec::new(),
            },
        ),
        (
            "create_channel-full",
            Op::CreateChannel {
                cid: cid(),
                name: "Reef".to_owned(),
                image: image.to_owned(),
                custom: custom(),
                members: vec![user("bob"), user("eve@example.org")],
            },
        ),
        (
            "update_channel",
            Op::UpdateChannel {
                cid: cid(),
                name: Some("Reef".to_owned()),
                image: Some(String::new()),
                custom: None,
            },
        ),
        (
            "update_channel-custom",
            Op::UpdateChannel {
                cid: cid(),
                name: None,
                image: None,
                custom: Some(custom()),
            },
        ),
        (
            "add_members",
            Op::AddMembers {
                cid: cid(),
                users: vec![user("bob"), user("eve@example.org")],
            },
        ),
        (
            "remove_members",
            Op::RemoveMembers {
                cid: cid(),
                users: vec![user("bob")],
            },
        ),
    ]
}
