//! What operations do, and to whom.

use super::{
    Checked, Problem,
    peer::{message, messages, newest, own_rows, steps},
    script::{Room, World},
};
use whimbrel_model::{Code, Op, OpId, Read, Role, Row, StreamId, limits};
use whimbrel_protocol::Outcome;

pub(super) async fn a_channel_and_a_message_come_back_as_rows(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.new_room()?;
    let made = ada
        .accepted(world.op(room.create(vec![world.user(1).clone()])))
        .await?;
    let Some(step) = made.iter().find(|step| step.stream == room.stream) else {
        return Err(Problem::Failed(format!(
            "a new channel has no step of its stream: {made:?}"
        )));
    };
    ensure!(
        (step.from, step.to) == (0, 3),
        "a channel and two members are not 0 to 3: {step:?}"
    );
    let owner = step.rows.iter().any(|row| match row {
        Row::Member(member) => member.user == ada.user && member.role == Role::Owner,
        _ => false,
    });
    ensure!(owner, "its maker is not its owner: {step:?}");
    let mine = StreamId::User(ada.user.clone());
    let membership = made
        .iter()
        .filter(|step| step.stream == mine)
        .flat_map(|step| &step.rows);
    let membership = membership.filter(|row| matches!(row, Row::Membership(row) if row.cid == room.cid));
    ensure!(membership.count() == 1, "its maker gets no membership: {made:?}");
    let others = made
        .iter()
        .all(|step| step.stream == mine || step.stream == room.stream);
    ensure!(others, "steps of others' streams are told: {made:?}");

    let id = world.id();
    let op = world.op(room.send(id, "grüße 👋"));
    let composed = op.composed_at;
    let told = ada.accepted(op).await?;
    let [step] = told.as_slice() else {
        return Err(Problem::Failed(format!("a message is not one step: {told:?}")));
    };
    ensure!(
        (step.from, step.to, step.seq) == (3, 4, 1),
        "the first message's step is {step:?}"
    );
    let row = message(&told)?;
    ensure!(
        (row.id.0, row.seq, row.ver) == (id, 1, 4),
        "the first message is {row:?}"
    );
    ensure!(
        row.author == ada.user && row.cid == room.cid,
        "it is by somebody or somewhere else: {row:?}"
    );
    ensure!(
        row.body.text == "grüße 👋" && row.composed_at == composed,
        "its content is another: {row:?}"
    );
    ensure!(
        row.accepted_at.is_some() && row.deleted_at.is_none(),
        "its times are wrong: {row:?}"
    );
    Ok(())
}

pub(super) async fn operations_of_a_frame_act_in_their_order(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let ids: Vec<_> = (0..limits::OPS_PER_BATCH).map(|_| world.id()).collect();
    let ops = ids
        .iter()
        .enumerate()
        .map(|(number, id)| world.op(room.send(*id, &format!("message {number}"))));
    let outcomes = ada.ops(ops.collect()).await?;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let row = message(&steps("a message", outcome)?)?;
        let there = (row.id.0, row.seq);
        ensure!(
            there == (ids[number], number as u64 + 1),
            "message {number} of a frame is {row:?}"
        );
    }
    Ok(())
}

pub(super) async fn values_that_break_a_rule_are_rejected(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let long = "é".repeat(limits::TEXT_CHARS + 1);
    let id = || world.id();
    let none = Op::AddMembers {
        cid: room.cid.clone(),
        users: Vec::new(),
    };
    let shown = match room.send(id(), "shown in its own channel") {
        Op::SendMessage {
            cid,
            id,
            body,
            parent,
            quoted,
            ..
        } => Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid,
            id,
            body,
            parent,
            quoted,
            show_in_channel: true,
        },
        other => other,
    };
    let broken = [
        (room.send(id(), " \n "), Code::Invalid),
        (room.send(id(), &long), Code::TooLarge),
        (room.rename(&"x".repeat(limits::NAME_CHARS + 1)), Code::TooLarge),
        (none, Code::Invalid),
        (shown, Code::Invalid),
    ];
    for (op, code) in broken {
        ada.rejected(world.op(op), &[code]).await?;
    }
    let mut fourth = world.op(room.send(id(), "an id of version 4"));
    fourth.id = OpId(uuid::Uuid::from_u128(0x6c84_fb90_12c4_41a1_8ff4_8c0a_b2dd_4a0e));
    ada.rejected(fourth, &[Code::Invalid]).await?;
    let whole = "é".repeat(limits::TEXT_CHARS);
    ada.accepted(world.op(room.send(id(), &whole))).await?;
    let chain = ada.follow(&room.stream, None).await?;
    ensure!(
        chain.cursor.seq == 1,
        "what was rejected left something: {:?}",
        chain.cursor
    );
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_found(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let (room, other, nowhere) = (
        world.room(&mut ada).await?,
        world.room(&mut ada).await?,
        world.new_room()?,
    );
    let elsewhere = world.id();
    ada.accepted(world.op(other.send(elsewhere, "in another channel")))
        .await?;
    let missing = [
        (nowhere.send(world.id(), "nobody hears"), Code::ChannelNotFound),
        (room.edit(world.id(), "never said"), Code::MessageNotFound),
        (room.delete(world.id()), Code::MessageNotFound),
        (room.react(world.id(), "like")?, Code::MessageNotFound),
        (
            room.reply(world.id(), "to nothing", Some(world.id())),
            Code::MessageNotFound,
        ),
        (
            room.edit(elsewhere, "through the wrong channel"),
            Code::MessageNotFound,
        ),
    ];
    for (op, code) in missing {
        ada.rejected(world.op(op), &[code]).await?;
    }
    let (first, reply) = (world.id(), world.id());
    ada.accepted(world.op(room.send(first, "a message"))).await?;
    ada.accepted(world.op(room.reply(reply, "a reply", Some(first))))
        .await?;
    let deeper = room.reply(world.id(), "a reply to a reply", Some(reply));
    ada.rejected(world.op(deeper), &[Code::Invalid]).await
}

pub(super) async fn who_is_not_in_a_channel_may_not_write(world: &World) -> Checked {
    let (mut ada, mut carol) = (world.ada().await?, world.carol().await?);
    let room = world.room(&mut ada).await?;
    let id = world.id();
    ada.accepted(world.op(room.send(id, "among us"))).await?;
    // To her it is as if it were not there.
    let add = room.add(&carol.user);
    for op in [
        room.send(world.id(), "hello?"),
        room.react(id, "like")?,
        room.read(1),
        room.rename("mine"),
        add,
    ] {
        carol
            .rejected(world.op(op), &[Code::ChannelNotFound, Code::NotMember])
            .await?;
    }
    Ok(())
}

pub(super) async fn only_owners_change_the_channel_and_its_members(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    for op in [
        room.rename("bob's"),
        room.add(world.user(2)),
        room.remove(world.user(0)),
    ] {
        bob.rejected(world.op(op), &[Code::Forbidden]).await?;
    }
    let renamed = ada.accepted(world.op(room.rename("ours"))).await?;
    let named = renamed.iter().flat_map(|step| &step.rows).any(|row| match row {
        Row::Channel(channel) => channel.name == "ours",
        _ => false,
    });
    ensure!(named, "the owner's new name is not in {renamed:?}");
    // Leaving is everyone's right.
    bob.accepted(world.op(room.remove(&bob.user.clone()))).await?;
    Ok(())
}

pub(super) async fn only_the_author_edits(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    let (hers, his) = (world.id(), world.id());
    ada.accepted(world.op(room.send(hers, "hers"))).await?;
    bob.accepted(world.op(room.send(his, "his"))).await?;
    bob.rejected(world.op(room.edit(hers, "his now")), &[Code::Forbidden])
        .await?;
    bob.rejected(world.op(room.delete(hers)), &[Code::Forbidden])
        .await?;
    ada.rejected(world.op(room.edit(his, "hers now")), &[Code::Forbidden])
        .await?;
    let edited = bob.sent(world.op(room.edit(his, "his, edited"))).await?;
    ensure!(
        edited.body.text == "his, edited",
        "his edit did nothing: {edited:?}"
    );
    ensure!(
        (edited.revision, edited.seq) == (1, 2),
        "an edit moved it, or does not count: {edited:?}"
    );
    ensure!(edited.edited_at.is_some(), "an edit has no time: {edited:?}");
    // An owner may take it away.
    let deleted = ada.sent(world.op(room.delete(his))).await?;
    ensure!(deleted.is_deleted(), "an owner cannot delete: {deleted:?}");
    Ok(())
}

pub(super) async fn what_changes_nothing_is_accepted_without_a_step(world: &World) -> Checked {
    let (mut ada, bob) = (world.ada().await?, world.user(1));
    let room = world.room(&mut ada).await?;
    let id = world.id();
    ada.accepted(world.op(room.send(id, "hello"))).await?;
    ada.accepted(world.op(room.react(id, "like")?)).await?;
    ada.accepted(world.op(room.read(1))).await?;
    let before = ada.follow(&room.stream, None).await?;
    let carol = world.user(2);
    for op in [
        room.react(id, "like")?,
        room.read(1),
        room.add(bob),
        room.remove(carol),
    ] {
        let name = op.name();
        let steps = ada.accepted(world.op(op)).await?;
        let moved = steps.iter().any(|step| step.to > step.from);
        ensure!(!moved, "{name} that changes nothing moved {steps:?}");
    }
    let after = ada.follow(&room.stream, Some(before.cursor)).await?;
    ensure!(
        after.rows.is_empty(),
        "what changes nothing changed {:?}",
        after.rows
    );
    Ok(())
}

pub(super) async fn deletion_is_final(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let id = world.id();
    ada.accepted(world.op(room.send(id, "a secret"))).await?;
    let deleted = ada.sent(world.op(room.delete(id))).await?;
    ensure!(
        deleted.is_deleted() && deleted.body.text.is_empty(),
        "it is not a tombstone: {deleted:?}"
    );
    ensure!(deleted.seq == 1, "a tombstone lost its place: {deleted:?}");
    for op in [room.edit(id, "back again"), room.delete(id)] {
        let outcome = ada.outcome(world.op(op)).await?;
        let nothing =
            matches!(&outcome, Outcome::Accepted { steps } if steps.iter().all(|step| step.from == step.to));
        ensure!(
            nothing,
            "a change of what is deleted is not accepted without a step: {outcome:?}"
        );
    }
    let chain = ada.follow(&room.stream, None).await?;
    let there = messages(&chain.rows);
    let text = serde_json::to_string(&chain.rows).unwrap_or_default();
    ensure!(
        there.len() == 1 && there[0].is_deleted(),
        "the feed has {there:?}"
    );
    ensure!(
        !text.contains("a secret") && !text.contains("back again"),
        "the text is still told"
    );
    Ok(())
}

pub(super) async fn a_read_position_only_grows(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    for number in 0..3 {
        ada.accepted(world.op(room.send(world.id(), &format!("message {number}"))))
            .await?;
    }
    for seq in [2, 1, 1_000] {
        bob.accepted(world.op(room.read(seq))).await?;
        let at = read_of_bob(world, &room).await?.seq;
        let expected = if seq == 1_000 { 3 } else { 2 };
        ensure!(
            at == expected,
            "after marking {seq} of 3 as read it is at {at} instead of {expected}"
        );
    }
    Ok(())
}

pub(super) async fn marking_unread_wins_and_takes_no_receipt_back(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    for number in 0..5 {
        ada.accepted(world.op(room.send(world.id(), &format!("message {number}"))))
            .await?;
    }
    for ((epoch, seq), expected) in [
        ((0, 4), ((0, 4), 4)),
        ((1, 1), ((1, 1), 4)),
        // Another device read on, and does not know yet.
        ((0, 5), ((1, 1), 5)),
        ((1, 0), ((1, 1), 5)),
        ((1, 3), ((1, 3), 5)),
    ] {
        bob.accepted(world.op(room.read_in(epoch, seq))).await?;
        let read = read_of_bob(world, &room).await?;
        let told = ((read.epoch, read.seq), read.receipt());
        ensure!(
            told == expected,
            "after the position ({epoch}, {seq}) the position and the receipt are {told:?} instead of {expected:?}"
        );
    }
    let wrong = room.read_in(u32::MAX, 0);
    bob.rejected(world.op(wrong), &[Code::Invalid]).await?;
    let read = read_of_bob(world, &room).await?;
    ensure!(
        read.epoch == 1,
        "one operation took the register to epoch {}",
        read.epoch
    );
    Ok(())
}

async fn read_of_bob(world: &World, room: &Room) -> Result<Read, Problem> {
    let chain = world.ada().await?.follow(&room.stream, None).await?;
    let rows = newest(own_rows(&room.stream, &chain.rows));
    let read = rows.values().find_map(|row| match row {
        Row::Read(read) if read.user == *world.user(1) => Some(read.clone()),
        _ => None,
    });
    read.ok_or_else(|| Problem::Failed("the feed has no read position of him".to_owned()))
}
