//! What each operation does: accepted, rejected, without effect, repeated.

use crate::support::{
    World, add, cid, create, delete, edit, envelope, mark_read, message_id, react, rejection, remove, rename,
    reply, retry, send, steps, unreact, user,
};
use whimbrel_hub::Applied;
use whimbrel_model::{
    ChannelId, Code, Member, MemberState, Message, Op, OpEnvelope, Role, Row, RowKey, StreamEvent, StreamId,
    Timestamp,
};

fn channel_stream() -> StreamId {
    StreamId::Channel(cid())
}

fn the_message(rows: &[Row]) -> &Message {
    match rows {
        [Row::Message(message)] => message,
        other => panic!("not one message: {other:?}"),
    }
}

fn members(event: &StreamEvent) -> Vec<&Member> {
    let rows = event.rows.iter();
    rows.filter_map(|row| match row {
        Row::Member(member) => Some(member),
        _ => None,
    })
    .collect()
}

/// Sends a message and returns its id.
async fn sent(world: &mut World, name: &str) -> whimbrel_model::MessageId {
    the_message(&world.rows(name, send("hello")).await).id
}

#[tokio::test]
async fn creating_a_channel_moves_its_stream_and_that_of_every_member() {
    let mut world = World::with_channel("ada", &[]).await;
    let op = Op::CreateChannel {
        cid: ChannelId::new("team:other").unwrap(),
        name: String::new(),
        image: String::new(),
        custom: whimbrel_model::Custom::default(),
        members: vec![user("bob"), user("ada"), user("bob")],
    };
    let applied = world.apply("ada", envelope(op)).await;
    let streams: Vec<_> = applied
        .events
        .iter()
        .map(|event| event.stream.to_string())
        .collect();
    assert_eq!(streams, ["C:team:other", "U:ada", "U:bob"]);
    let event = &applied.events[0];
    assert_eq!((event.from, event.to, event.seq), (0, 3, 0));
    let roles: Vec<_> = members(event)
        .iter()
        .map(|row| (row.user.as_str(), row.role, row.ver))
        .collect();
    assert_eq!(roles, [("ada", Role::Owner, 2), ("bob", Role::Member, 3)]);
    let seen: Vec<_> = steps(&applied.outcome)
        .iter()
        .map(|step| step.stream.to_string())
        .collect();
    assert_eq!(
        seen,
        ["U:ada", "C:team:other"],
        "another user's stream is not the actor's to see"
    );
    let Row::Membership(row) = &applied.events[1].rows[0] else {
        panic!("{applied:?}")
    };
    assert_eq!(
        (row.ver, row.role, row.state),
        (2, Role::Owner, MemberState::Active)
    );
}

#[tokio::test]
async fn a_channel_id_belongs_to_who_took_it_first() {
    let mut world = World::with_channel("ada", &[]).await;
    assert_eq!(world.rejected("bob", create(&[])).await, Code::IdConflict);
    assert_eq!(world.rejected("ada", create(&["bob"])).await, Code::IdConflict);
}

#[tokio::test]
async fn the_same_creation_under_another_id_is_a_repeat() {
    let mut world = World::with_channel("ada", &[]).await;
    let again = envelope(create(&[]));
    let next = OpEnvelope {
        after: Some(again.id),
        ..envelope(send("hello"))
    };
    let applied = world.apply("ada", again).await;
    assert_eq!(applied.events, []);
    assert!(steps(&applied.outcome).iter().all(|step| step.from == step.to));
    let applied = world.apply("ada", next).await;
    assert_eq!(applied.events.len(), 1, "its new id has an answer");
}

#[tokio::test]
async fn messages_get_dense_numbers_and_the_servers_time() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    for seq in 1..=3 {
        let events = world.accepted("bob", send("hello")).await;
        let message = the_message(&events[0].rows);
        assert_eq!((message.seq, message.ver), (seq, 3 + seq));
        assert_eq!(
            (events[0].from, events[0].to, events[0].seq),
            (2 + seq, 3 + seq, seq)
        );
        assert_eq!(message.accepted_at, Some(Timestamp(world.now)));
        assert_eq!((message.author.as_str(), message.revision), ("bob", 0));
    }
}

#[tokio::test]
async fn who_is_not_in_the_channel_can_do_nothing_to_it() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let message = sent(&mut world, "ada").await;
    world.accepted("ada", remove(&["bob"])).await;
    for (name, code) in [("eve", Code::ChannelNotFound), ("bob", Code::NotMember)] {
        let update = Op::UpdateChannel {
            cid: cid(),
            name: Some("x".into()),
            image: None,
            custom: None,
        };
        for op in [
            send("x"),
            edit(message, "x"),
            delete(message),
            react(message, "like"),
            unreact(message, "like"),
            mark_read(0, 1),
            add(&[name]),
            remove(&[name]),
            update,
        ] {
            assert_eq!(world.rejected(name, op.clone()).await, code, "{op:?}");
        }
    }
}

#[tokio::test]
async fn only_owners_change_the_channel_and_its_members() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let update = |name: &str| Op::UpdateChannel {
        cid: cid(),
        name: Some(name.into()),
        image: None,
        custom: None,
    };
    assert_eq!(world.rejected("bob", update("Bob's")).await, Code::Forbidden);
    assert_eq!(world.rejected("bob", add(&["cyd"])).await, Code::Forbidden);
    assert_eq!(world.rejected("bob", remove(&["ada"])).await, Code::Forbidden);
    let rows = world.rows("ada", update("Ada's")).await;
    let [Row::Channel(channel)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (channel.name.as_str(), channel.updated_at),
        ("Ada's", Timestamp(world.now))
    );
    world.changes_nothing("ada", update("Ada's")).await;
}

#[tokio::test]
async fn adding_a_member_again_changes_nothing_and_one_who_left_comes_back_as_a_member() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    world.changes_nothing("ada", add(&["bob", "ada"])).await;
    world.changes_nothing("ada", remove(&["eve"])).await;
    let events = world.accepted("ada", remove(&["bob"])).await;
    assert_eq!(members(&events[0])[0].state, MemberState::Gone);
    world.changes_nothing("ada", remove(&["bob"])).await;
    let events = world.accepted("ada", add(&["bob"])).await;
    let member = members(&events[0])[0];
    assert_eq!((member.state, member.role), (MemberState::Active, Role::Member));
    assert_eq!(member.joined_at, Timestamp(world.now));
}

#[tokio::test]
async fn the_last_owner_may_leave_and_sees_only_the_own_stream_move() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let applied = world.apply("ada", envelope(remove(&["ada"]))).await;
    let seen: Vec<_> = steps(&applied.outcome)
        .iter()
        .map(|step| step.stream.to_string())
        .collect();
    assert_eq!(seen, ["U:ada"]);
    assert_eq!(applied.events.len(), 2);
    assert_eq!(world.rejected("ada", send("too late")).await, Code::NotMember);
}

#[tokio::test]
async fn member_rows_come_with_the_profiles_that_have_a_name() {
    let mut world = World::with_channel("ada", &[]).await;
    world.accepted("bob", rename("Bob")).await;
    let events = world.accepted("ada", add(&["bob", "cyd"])).await;
    let names: Vec<_> = events[0].rows.iter().map(|row| row.key()).collect();
    assert_eq!(
        names,
        [
            RowKey::Member(cid(), user("bob")),
            RowKey::Member(cid(), user("cyd")),
            RowKey::User(user("bob"))
        ]
    );
    assert_eq!(events[0].to, 4, "a profile beside is no step of the channel");
}

#[tokio::test]
async fn a_profile_changes_in_its_own_stream_only() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let events = world.accepted("bob", rename("Bob")).await;
    assert_eq!(events[0].stream, StreamId::User(user("bob")));
    let [Row::User(profile)] = events[0].rows.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((profile.name.as_str(), profile.ver), ("Bob", 2));
    world.changes_nothing("bob", rename("Bob")).await;
}

#[tokio::test]
async fn a_reply_needs_a_parent_of_its_channel_that_is_no_reply() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let parent = sent(&mut world, "ada").await;
    let op = reply("yes", Some(parent));
    let answer = op.message().unwrap();
    world.accepted("bob", op).await;
    assert_eq!(
        world.rejected("ada", reply("no", Some(answer))).await,
        Code::Invalid
    );
    assert_eq!(
        world.rejected("ada", reply("no", Some(message_id()))).await,
        Code::MessageNotFound
    );

    let other = ChannelId::new("team:other").unwrap();
    let mut elsewhere = create(&[]);
    let mut stray = reply("stray", Some(parent));
    for op in [&mut elsewhere, &mut stray] {
        if let Op::CreateChannel { cid, .. } | Op::SendMessage { cid, .. } = op {
            *cid = other.clone();
        }
    }
    world.accepted("ada", elsewhere).await;
    assert_eq!(world.rejected("ada", stray).await, Code::MessageNotFound);
    let mut quoting = send("see");
    if let Op::SendMessage { quoted, .. } = &mut quoting {
        *quoted = Some(message_id());
    }
    assert_eq!(world.rejected("ada", quoting).await, Code::MessageNotFound);
}

#[tokio::test]
async fn an_edit_is_the_authors_and_counts() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let id = sent(&mut world, "bob").await;
    assert_eq!(world.rejected("ada", edit(id, "mine")).await, Code::Forbidden);
    assert_eq!(
        world.rejected("bob", edit(message_id(), "x")).await,
        Code::MessageNotFound
    );
    for revision in 1..=2 {
        let rows = world.rows("bob", edit(id, "better")).await;
        let message = the_message(&rows);
        assert_eq!((message.revision, message.seq), (revision, 1));
        assert_eq!(
            (message.body.text.as_str(), message.edited_at),
            ("better", Some(Timestamp(world.now)))
        );
    }
}

#[tokio::test]
async fn a_deletion_is_terminal() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let id = sent(&mut world, "bob").await;
    world.accepted("ada", react(id, "like")).await;
    let rows = world.rows("ada", delete(id)).await;
    let message = the_message(&rows);
    assert!(message.is_deleted() && message.body.text.is_empty() && message.seq == 1);
    for op in [
        delete(id),
        edit(id, "back"),
        react(id, "wow"),
        unreact(id, "like"),
    ] {
        world
            .changes_nothing(
                if matches!(op, Op::EditMessage { .. }) {
                    "bob"
                } else {
                    "ada"
                },
                op,
            )
            .await;
    }
    let mine = sent(&mut world, "ada").await;
    assert_eq!(world.rejected("bob", delete(mine)).await, Code::Forbidden);
}

#[tokio::test]
async fn a_reaction_is_there_or_not() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let id = sent(&mut world, "ada").await;
    world.changes_nothing("bob", unreact(id, "like")).await;
    world.rows("bob", react(id, "like")).await;
    world.changes_nothing("bob", react(id, "like")).await;
    let rows = world.rows("bob", unreact(id, "like")).await;
    let [Row::Reaction(gone)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert!(gone.removed);
    let rows = world.rows("bob", react(id, "like")).await;
    let [Row::Reaction(back)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert!(!back.removed && back.ver == gone.ver + 1);
    assert_eq!(
        world.rejected("bob", react(message_id(), "like")).await,
        Code::MessageNotFound
    );
}

#[tokio::test]
async fn a_read_position_only_grows_and_never_past_the_head() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    world.changes_nothing("bob", mark_read(0, 7)).await;
    for _ in 0..3 {
        sent(&mut world, "ada").await;
    }
    for (epoch, seq, stored) in [
        (0, 2, Some(2)),
        (0, 1, None),
        (0, 2, None),
        (0, 99, Some(3)),
        (1, 1, Some(1)),
        (0, 3, None),
    ] {
        let events = world.accepted("bob", mark_read(epoch, seq)).await;
        let row = events.first().map(|event| match event.rows.as_slice() {
            [Row::Read(row)] => row.seq,
            other => panic!("{other:?}"),
        });
        assert_eq!(row, stored, "after marking ({epoch}, {seq})");
    }
}

#[tokio::test]
async fn a_repeat_gets_the_same_answer_with_the_current_rows_and_changes_nothing() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let first = envelope(send("hello"));
    let id = first.op.message().unwrap();
    world.apply("ada", first.clone()).await;
    world.accepted("ada", edit(id, "better")).await;
    let Applied { outcome, events } = world.apply("ada", first).await;
    assert_eq!(events, []);
    let [step] = steps(&outcome) else {
        panic!("{outcome:?}")
    };
    assert_eq!((step.from, step.to, step.seq), (5, 5, 1));
    assert_eq!(the_message(&step.rows).body.text, "better");
}

#[tokio::test]
async fn a_repeat_within_one_group_is_answered_like_any() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    for op in [send("hello"), rename("Ada"), add(&["cyd"]), send("")] {
        let op = envelope(op);
        let mut applied = world.group(&[("ada", op.clone()), ("ada", op)]).await;
        let (again, first) = (applied.remove(1), applied.remove(0));
        assert_eq!(again.events, []);
        match &first.outcome {
            whimbrel_protocol::Outcome::Rejected { .. } => assert_eq!(again.outcome, first.outcome),
            _ => assert_eq!(steps(&again.outcome).len(), steps(&first.outcome).len()),
        }
    }
}

#[tokio::test]
async fn a_rejection_is_kept_even_when_it_would_be_accepted_now() {
    let mut world = World::with_channel("ada", &[]).await;
    let early = envelope(send("let me in"));
    let first = world.apply("bob", early.clone()).await;
    assert_eq!(rejection(&first.outcome), Code::ChannelNotFound);
    world.accepted("ada", add(&["bob"])).await;
    assert_eq!(world.apply("bob", early).await, first);
}

#[tokio::test]
async fn one_who_was_removed_gets_with_a_repeat_only_the_own_message_as_it_was() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let (kept, deleted) = (envelope(send("hello")), envelope(send("oops")));
    let reads = envelope(mark_read(0, 1));
    for op in [&kept, &deleted, &reads] {
        world.apply("bob", op.clone()).await;
    }
    world.accepted("ada", remove(&["bob"])).await;
    world
        .accepted(
            "ada",
            Op::DeleteMessage {
                cid: cid(),
                id: deleted.op.message().unwrap(),
            },
        )
        .await;
    for (op, text) in [(&kept, "hello"), (&deleted, "oops")] {
        let again = world.apply("bob", op.clone()).await;
        let [step] = steps(&again.outcome) else {
            panic!("whoever missed the answer would lose what they sent: {again:?}");
        };
        let [Row::Message(message)] = step.rows.as_slice() else {
            panic!("{step:?}");
        };
        assert_eq!(Some(message.id), op.op.message());
        assert_eq!(message.body.text, text);
        assert_eq!(message.deleted_at, None, "the deletion came after the removal");
        assert_eq!(
            (step.from, step.to, step.seq),
            (message.ver, message.ver, message.seq)
        );
        // The channel, two members, two messages and a read position came before.
        let removed_at = 7;
        assert!(message.ver < removed_at, "{message:?}");
    }
    let again = world.apply("bob", reads).await;
    assert_eq!(steps(&again.outcome), [], "that is of after the removal");
}

#[tokio::test]
async fn an_operation_id_with_another_content_is_a_conflict_and_does_nothing() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    for op in [send("one"), mark_read(0, 1), send("")] {
        let first = envelope(op);
        world.apply("ada", first.clone()).await;
        let other = OpEnvelope {
            op: send("two"),
            ..first.clone()
        };
        let applied = world.apply("ada", other).await;
        assert_eq!(
            (rejection(&applied.outcome), applied.events.len()),
            (Code::OpConflict, 0)
        );
        let foreign = world
            .apply(
                "bob",
                OpEnvelope {
                    op: send("mine"),
                    ..first
                },
            )
            .await;
        let written = foreign
            .events
            .iter()
            .filter(|event| event.stream == channel_stream());
        assert_eq!(written.count(), 1, "ids are each user's own");
    }
}

#[tokio::test]
async fn a_message_id_belongs_to_its_message() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let first = envelope(send("hello"));
    world.apply("ada", first.clone()).await;
    let by_other = world.apply("bob", envelope(first.op.clone())).await;
    assert_eq!(rejection(&by_other.outcome), Code::IdConflict);
    let mut changed = first.op.clone();
    if let Op::SendMessage { body, .. } = &mut changed {
        *body = "other".into();
    }
    assert_eq!(world.rejected("ada", changed).await, Code::IdConflict);
    let again = world
        .apply(
            "ada",
            OpEnvelope {
                id: envelope(send("")).id,
                ..first
            },
        )
        .await;
    assert_eq!(
        (steps(&again.outcome).len(), again.events.len()),
        (1, 0),
        "same author, same content"
    );
}

#[tokio::test]
async fn what_breaks_a_rule_of_the_model_is_rejected() {
    let mut world = World::with_channel("ada", &[]).await;
    assert_eq!(world.rejected("ada", send(" ")).await, Code::Invalid);
    assert_eq!(
        world.rejected("ada", send(&"x".repeat(5_001))).await,
        Code::TooLarge
    );
    let mut op = envelope(send("hello"));
    op.id.0 = uuid::Uuid::nil();
    assert_eq!(rejection(&world.apply("ada", op).await.outcome), Code::Invalid);
    let mut op = envelope(send("hello"));
    op.after = Some(op.id);
    assert_eq!(rejection(&world.apply("ada", op).await.outcome), Code::Invalid);
}

#[tokio::test]
async fn what_comes_after_an_unseen_operation_waits_and_leaves_nothing_stored() {
    let mut world = World::with_channel("ada", &["bob"]).await;
    let first = envelope(send("one"));
    let second = OpEnvelope {
        after: Some(first.id),
        ..envelope(send("two"))
    };
    let third = OpEnvelope {
        after: Some(second.id),
        ..envelope(send("three"))
    };
    let early = world
        .group(&[("ada", second.clone()), ("ada", third.clone())])
        .await;
    for applied in &early {
        assert_eq!(
            (retry(&applied.outcome), applied.events.len()),
            (Code::OutOfOrder, 0)
        );
    }
    let foreign = world
        .group(&[("bob", first.clone()), ("ada", second.clone())])
        .await;
    assert_eq!(
        retry(&foreign[1].outcome),
        Code::OutOfOrder,
        "another user's answer does not count"
    );
    let mut own = first;
    own.op = send("one of my own");
    let all = world
        .group(&[("ada", own), ("ada", second), ("ada", third)])
        .await;
    let seqs: Vec<_> = all.iter().map(|applied| applied.events[0].seq).collect();
    assert_eq!(seqs, [2, 3, 4]);
}

#[tokio::test]
async fn a_rejected_operation_is_an_answer_that_the_next_may_come_after() {
    let mut world = World::with_channel("ada", &[]).await;
    let bad = envelope(send(""));
    let next = OpEnvelope {
        after: Some(bad.id),
        ..envelope(send("hello"))
    };
    let applied = world.group(&[("ada", bad), ("ada", next)]).await;
    assert_eq!(rejection(&applied[0].outcome), Code::Invalid);
    assert_eq!(applied[1].events[0].stream, channel_stream());
}
