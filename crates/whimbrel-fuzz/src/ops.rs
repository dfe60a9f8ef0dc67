//! Operations: read, checked, told apart, and carried on to everyone else.

use crate::{frames::frame, json::depth};
use serde_json::Value;
use whimbrel_model::{
    AccountRow, Channel, ConsentState, Contact, ContactChange, Custom, Device, DeviceChange, DeviceSync,
    DeviceSyncState, Draft, Epoch, Head, MembershipChange, Message, MessageBody, Op, OpEnvelope, Row,
    SetPush, Settings, SettingsChange, StreamEvent, StreamId, Timestamp, User, UserId, limits,
};
use whimbrel_protocol::{OpResult, Outcome, Page, Results, ServerFrame, decode, encode};

/// Reads an operation as the server and the device's own outbox do.
pub(crate) fn envelope(bytes: &[u8]) -> bool {
    let Some(envelope) = frame::<OpEnvelope>(bytes) else {
        return false;
    };
    // As it stands in the outbox, and on the wire: what is sent again has to be the same for the server.
    let stored = serde_json::to_string(&envelope.op).expect("an operation can be written");
    let op: Op = serde_json::from_str(&stored).expect("an operation can be read back");
    let again = OpEnvelope {
        op,
        after: None,
        ..envelope.clone()
    };
    assert_eq!(again.digest(), envelope.digest(), "a repeat would be a conflict");
    let later = OpEnvelope {
        composed_at: Timestamp(envelope.composed_at.0 ^ 1),
        ..again
    };
    assert_ne!(later.digest(), envelope.digest());
    assert!(stored.starts_with(&format!("{{\"{}\":", envelope.op.name())));
    if envelope.op.validate().is_err() {
        return true;
    }
    assert_limits(&envelope.op);
    if let Some(row) = made(&envelope) {
        assert_reaches_everyone(&envelope, &row);
    }
    true
}

/// Asserts, by counting again, what has to hold for an operation that was found valid.
fn assert_limits(op: &Op) {
    match op {
        Op::CreateChannel {
            name,
            image,
            custom,
            members,
            ..
        } => {
            assert_profile(Some(name), Some(image), Some(custom));
            assert!(members.len() <= limits::MEMBERS_PER_OP);
        }
        Op::UpdateChannel {
            name, image, custom, ..
        }
        | Op::UpdateUser { name, image, custom } => {
            assert_profile(name.as_deref(), image.as_deref(), custom.as_ref());
        }
        Op::AddMembers { users, .. } | Op::RemoveMembers { users, .. } | Op::InviteMembers { users, .. } => {
            assert!((1..=limits::MEMBERS_PER_OP).contains(&users.len()));
        }
        Op::SendMessage {
            id,
            body,
            parent,
            show_in_channel,
            ..
        } => {
            assert_eq!(id.0.get_version_num(), 7);
            assert!(parent.is_some() || !show_in_channel);
            assert_body(body);
        }
        Op::EditMessage { body, .. } => assert_body(body),
        Op::SaveDraft {
            content, replaces, ..
        } => {
            content.iter().for_each(|content| assert_within(&content.body));
            assert!(replaces.len() <= limits::DRAFTS_REPLACED);
        }
        Op::UpdateMembership { change, .. } => assert_ne!(*change, MembershipChange::default()),
        _ => assert_account_limits(op),
    }
}

/// Asserts what has to hold for an operation that is about an account and its devices.
fn assert_account_limits(op: &Op) {
    match op {
        Op::UpdateSettings { change } => {
            assert_ne!(*change, SettingsChange::default());
            let status = change.status.as_deref().unwrap_or_default();
            assert!(status.chars().count() <= limits::STATUS_CHARS);
            let custom = serde_json::to_vec(&change.custom).expect("custom data can be written");
            assert!(custom.len() <= limits::PRESENCE_BYTES.max(4));
        }
        Op::UpdateContact { change, .. } => {
            assert_ne!(*change, ContactChange::default());
            let ends = change.consent.filter(|set| set.until.is_some());
            assert!(ends.is_none_or(|set| set.state == ConsentState::Denied));
        }
        Op::RegisterDevice { name, agent, key, .. } => {
            assert!(name.chars().count() <= limits::DEVICE_NAME_CHARS);
            assert!(agent.len() <= limits::AGENT_BYTES);
            assert!(
                key.as_ref()
                    .is_none_or(|key| key.len() <= limits::DEVICE_KEY_BYTES)
            );
        }
        Op::UpdateDevice { change, .. } => {
            assert_ne!(*change, DeviceChange::default());
            let name = change.name.as_deref().unwrap_or_default();
            assert!(name.chars().count() <= limits::DEVICE_NAME_CHARS);
            if let Some(SetPush::On(token) | SetPush::Gone(token)) = &change.push {
                assert!(token.token.len() <= limits::PUSH_TOKEN_BYTES && !token.provider.is_empty());
            }
        }
        Op::RequestDeviceSync { key, .. } => assert!(key.len() <= limits::DEVICE_KEY_BYTES),
        Op::OfferDeviceSync { sha256, .. } => assert_eq!(sha256.len(), 64),
        Op::MarkDelivered { seq, .. } => assert!(*seq <= limits::NUMBER),
        Op::RevokeDevice { .. }
        | Op::EndDeviceSync { .. }
        | Op::AnswerInvite { .. }
        | Op::DeleteMessage { .. }
        | Op::PinMessage { .. }
        | Op::UnpinMessage { .. }
        | Op::AddReaction { .. }
        | Op::RemoveReaction { .. }
        | Op::MarkRead { .. } => {}
        _ => panic!("{} has no limits", op.name()),
    }
}

fn assert_profile(name: Option<&str>, image: Option<&str>, custom: Option<&Custom>) {
    assert!(name.unwrap_or_default().chars().count() <= limits::NAME_CHARS);
    assert!(image.unwrap_or_default().len() <= limits::URL_BYTES);
    custom.into_iter().for_each(assert_custom);
}

fn assert_body(body: &MessageBody) {
    assert_within(body);
    let is_empty = body.text.trim().is_empty() && body.attachments.is_empty() && body.custom.is_empty();
    assert!(!is_empty, "a message that says nothing");
}

fn assert_within(body: &MessageBody) {
    assert!(body.text.chars().count() <= limits::TEXT_CHARS);
    assert!(body.mentions.len() <= limits::MENTIONS && body.attachments.len() <= limits::ATTACHMENTS);
    let attachments = serde_json::to_vec(&body.attachments).expect("attachments can be written");
    assert!(attachments.len() <= limits::ATTACHMENTS_BYTES.max(2));
    assert_custom(&body.custom);
    body.attachments
        .iter()
        .for_each(|file| assert_custom(&file.custom));
}

fn assert_custom(custom: &Custom) {
    let bytes = serde_json::to_vec(custom).expect("custom data can be written");
    assert!(bytes.len() <= limits::CUSTOM_BYTES);
    let value: Value = serde_json::from_slice(&bytes).expect("custom data can be read");
    assert!(
        depth(&value) <= limits::CUSTOM_DEPTH,
        "custom data of depth {}",
        depth(&value)
    );
}

/// Returns the row that the server would make from it.
fn made(envelope: &OpEnvelope) -> Option<Row> {
    let ada = UserId::new("ada").expect("a user id");
    let at = Timestamp(1);
    let row = match &envelope.op {
        Op::CreateChannel {
            cid,
            name,
            image,
            custom,
            ..
        } => Row::Channel(Channel {
            cid: cid.clone(),
            name: name.clone(),
            image: image.clone(),
            custom: custom.clone(),
            created_by: ada,
            created_at: at,
            updated_at: at,
            ver: 1,
        }),
        Op::SendMessage {
            cid,
            id,
            body,
            parent,
            show_in_channel,
            quoted,
            kind,
            silent,
        } => Row::Message(Message {
            kind: *kind,
            silent: *silent,
            pinned: None,
            thread: None,
            id: *id,
            cid: cid.clone(),
            author: ada,
            seq: 1,
            ver: 1,
            body: body.clone(),
            parent: *parent,
            show_in_channel: *show_in_channel,
            quoted: *quoted,
            composed_at: envelope.composed_at,
            accepted_at: Some(at),
            edited_at: None,
            revision: 0,
            deleted_at: None,
        }),
        Op::SaveDraft { .. } => return drafted(&envelope.op, ada, at),
        Op::UpdateUser { name, image, custom } => Row::User(User {
            id: ada,
            name: name.clone().unwrap_or_default(),
            image: image.clone().unwrap_or_default(),
            custom: custom.clone().unwrap_or_default(),
            ver: 1,
        }),
        op => return made_of_account(op, ada),
    };
    Some(row)
}

/// Returns the row about the account itself that the server would make from an operation.
fn made_of_account(op: &Op, ada: UserId) -> Option<Row> {
    let mut row = match op {
        Op::UpdateSettings { change } => {
            let mut row = Settings::new(ada);
            row.change(change);
            AccountRow::Settings(row)
        }
        Op::UpdateContact { user, change } => {
            let mut row = Contact::new(ada, user.clone());
            row.change(change);
            AccountRow::Contact(row)
        }
        Op::RegisterDevice {
            device,
            name,
            agent,
            key,
        } => AccountRow::Device(Device {
            user: ada,
            id: *device,
            name: name.clone(),
            agent: agent.clone(),
            key: key.clone(),
            registered_at: Timestamp(1),
            revoked_at: None,
            push: None,
            ver: 1,
        }),
        Op::RequestDeviceSync { device, request, key } => AccountRow::DeviceSync(DeviceSync {
            user: ada,
            device: *device,
            request: *request,
            key: key.clone(),
            state: DeviceSyncState::Asked,
            changed_at: Timestamp(1),
            ver: 1,
        }),
        _ => return None,
    };
    row.set_ver(1);
    Some(Row::Account(row))
}

fn drafted(op: &Op, user: UserId, updated_at: Timestamp) -> Option<Row> {
    let Op::SaveDraft {
        cid,
        parent,
        device,
        content,
        ..
    } = op
    else {
        return None;
    };
    Some(Row::Draft(Draft {
        user,
        cid: cid.clone(),
        parent: *parent,
        device: *device,
        content: content.clone(),
        updated_at,
        ver: 1,
    }))
}

/// Asserts that what one client can say, every client can hear: in an answer, an event and a page.
fn assert_reaches_everyone(envelope: &OpEnvelope, row: &Row) {
    let stream = row.stream();
    let step = StreamEvent {
        stream: stream.clone(),
        from: 0,
        to: 1,
        seq: 1,
        rows: vec![row.clone()],
    };
    let steps = vec![step.clone()];
    let result = OpResult {
        id: envelope.id,
        outcome: Outcome::Accepted { steps },
    };
    let frames = [
        ServerFrame::Results(Results {
            results: vec![result],
        }),
        ServerFrame::Event(step),
        ServerFrame::Page(page(stream, row)),
    ];
    for frame in frames {
        let bytes = encode(&frame).expect("one row fits a frame");
        assert_eq!(decode::<ServerFrame>(&bytes).as_ref(), Ok(&frame));
    }
}

fn page(stream: StreamId, row: &Row) -> Page {
    let head = Head { ver: 1, seq: 1 };
    let to = whimbrel_model::Cursor {
        epoch: Epoch(7),
        ver: 1,
        seq: 1,
        window: None,
    };
    Page {
        id: 1,
        stream,
        reset: false,
        from: 0,
        to,
        head,
        rows: vec![row.clone()],
        more: false,
    }
}
