//! What is checked of an operation before it is queued.

use crate::values::{cid, device, message_id, user};
use whimbrel_model::{
    ChannelId, Custom, DraftContent, DraftSeen, Hide, MembershipChange, MessageBody, MessageKind, Op, limits,
};

fn code(op: &Op) -> Option<String> {
    op.validate().err().map(|error| error.code().as_str().to_owned())
}

fn draft(content: Option<DraftContent>, replaces: usize, ver: u64) -> Op {
    let seen = |number| DraftSeen {
        device: device(number as u64),
        ver,
    };
    Op::SaveDraft {
        cid: cid(),
        parent: None,
        device: device(0),
        content,
        replaces: (1..=replaces).map(seen).collect(),
    }
}

#[test]
fn a_draft_may_be_empty_but_not_over_a_limit() {
    let long = "x".repeat(limits::TEXT_CHARS + 1);
    assert_eq!(code(&draft(None, 0, 1)), None);
    assert_eq!(
        code(&draft(Some(DraftContent::default()), limits::DRAFTS_REPLACED, 1)),
        None
    );
    assert_eq!(
        code(&draft(Some(DraftContent::text(long)), 0, 1)).as_deref(),
        Some("too_large")
    );
    let many = draft(None, limits::DRAFTS_REPLACED + 1, 1);
    assert_eq!(code(&many).as_deref(), Some("too_large"));
    let far = draft(None, 1, limits::NUMBER + 1);
    assert_eq!(code(&far).as_deref(), Some("invalid"));
}

#[test]
fn a_message_may_not_be_empty_nor_mention_more_than_a_row_holds() {
    let send = |body| Op::SendMessage {
        cid: cid(),
        id: message_id(1),
        body,
        parent: None,
        show_in_channel: false,
        quoted: None,
        kind: MessageKind::System,
        silent: true,
    };
    let mentions = |number| MessageBody {
        mentions: vec![user(1); number],
        ..MessageBody::text("all of you")
    };
    assert_eq!(code(&send(mentions(limits::MENTIONS))), None);
    assert_eq!(
        code(&send(mentions(limits::MENTIONS + 1))).as_deref(),
        Some("too_large")
    );
    let nothing = MessageBody {
        mentions: vec![user(1)],
        ..MessageBody::text(" ")
    };
    assert_eq!(code(&send(nothing)).as_deref(), Some("invalid"));
}

#[test]
fn a_content_type_of_an_apps_own_is_a_word_with_a_text_for_everyone_else() {
    let send = |content_type: &str, text: &str| Op::SendMessage {
        cid: cid(),
        id: message_id(1),
        body: MessageBody {
            content_type: content_type.to_owned(),
            custom: Custom::default().with("lat", 1.5),
            ..MessageBody::text(text)
        },
        parent: None,
        show_in_channel: false,
        quoted: None,
        kind: MessageKind::Regular,
        silent: false,
    };
    assert_eq!(code(&send("location", "at the pier")), None);
    assert_eq!(code(&send("", "")), None, "custom data alone needs no text");
    for (content_type, text) in [("location", " "), ("two words", "at the pier")] {
        assert_eq!(
            code(&send(content_type, text)).as_deref(),
            Some("invalid"),
            "{content_type:?}"
        );
    }
    assert_eq!(
        code(&send(&"x".repeat(65), "at the pier")).as_deref(),
        Some("too_large")
    );
}

#[test]
fn a_change_that_changes_nothing_is_refused() {
    let change = |change| Op::UpdateMembership { cid: cid(), change };
    let nothing = change(MembershipChange::default()).validate().unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "change must name pinned, archived, hidden, muted or consent"
    );
    let hide = |seq| {
        change(MembershipChange {
            hidden: Some(Hide::Until { seq }),
            ..MembershipChange::default()
        })
    };
    assert_eq!(code(&hide(limits::NUMBER)), None);
    assert_eq!(code(&hide(limits::NUMBER + 1)).as_deref(), Some("invalid"));
}

#[test]
fn a_distinct_channel_is_made_with_the_members_that_it_stands_for() {
    let (ada, bob, eve) = (user(0), user(1), user(2));
    let create = |cid: &ChannelId, members: &[&whimbrel_model::UserId]| Op::CreateChannel {
        cid: cid.clone(),
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        members: members.iter().map(|&user| user.clone()).collect(),
    };
    let both = ChannelId::distinct("messaging", [&ada, &bob]).unwrap();
    assert_eq!(create(&both, &[&bob]).validate_for(&ada), Ok(()));
    assert_eq!(create(&both, &[&bob, &ada]).validate_for(&ada), Ok(()));
    assert_eq!(create(&both, &[&ada]).validate_for(&bob), Ok(()));
    for (maker, members) in [(&ada, [&eve].as_slice()), (&eve, &[&bob]), (&ada, &[])] {
        let refused = create(&both, members).validate_for(maker).unwrap_err();
        assert_eq!(refused.code().as_str(), "invalid");
    }
    assert_eq!(create(&cid(), &[]).validate_for(&ada), Ok(()), "any other id");
    // Only creating is about the members.
    let later = Op::AddMembers {
        cid: both,
        users: vec![eve],
    };
    assert_eq!(later.validate_for(&ada), Ok(()));
}
