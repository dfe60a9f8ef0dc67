//! An operation acts at most once, however often it is sent.

use super::{
    Checked, Problem,
    peer::{message, messages, steps},
    script::World,
};
use whimbrel_model::{Code, OpEnvelope, OpId, Row, Timestamp};
use whimbrel_protocol::{ClientFrame, Ops, Outcome};

pub(super) async fn a_repeat_gets_the_same_answer_and_acts_once(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.new_room()?;
    let id = world.id();
    let ops = [
        room.create(vec![world.user(1).clone()]),
        room.send(id, "once"),
        room.edit(id, "once, edited"),
        room.react(id, "like")?,
        room.read(1),
        room.rename("renamed once"),
        room.add(world.user(2)),
    ];
    for op in ops.map(|op| world.op(op)) {
        let name = op.op.name();
        let first = ada.accepted(op.clone()).await?;
        ensure!(!first.is_empty(), "{name} was accepted without a step");
        let before = ada.follow(&room.stream, None).await?.cursor;
        // On another connection too, as after a break.
        for again in [
            ada.accepted(op.clone()).await?,
            world.ada().await?.accepted(op.clone()).await?,
        ] {
            let moved = again.iter().any(|step| step.from != step.to);
            ensure!(!moved, "the repeat of {name} moves a cursor: {again:?}");
            let rows: Vec<&Row> = again.iter().flat_map(|step| &step.rows).collect();
            let same = first
                .iter()
                .filter(|step| step.stream == room.stream)
                .flat_map(|step| &step.rows)
                .all(|row| rows.contains(&row));
            ensure!(
                same,
                "the repeat of {name} says {rows:?}, at first it was {first:?}"
            );
        }
        let after = ada.follow(&room.stream, None).await?.cursor;
        ensure!(
            before == after,
            "the repeat of {name} moved the stream from {before:?} to {after:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_repeat_carries_the_current_rows(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let op = world.op(room.send(world.id(), "first"));
    let sent = ada.sent(op.clone()).await?;
    let edited = ada.sent(world.op(room.edit(sent.id.0, "second"))).await?;
    let again = ada.sent(op).await?;
    ensure!(
        again == edited,
        "the repeat says {again:?}, and it is {edited:?} now"
    );
    Ok(())
}

pub(super) async fn a_rejection_is_repeated_for_ever(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.new_room()?;
    let early = world.op(room.send(world.id(), "too early"));
    let first = ada.outcome(early.clone()).await?;
    let is_rejection = matches!(&first, Outcome::Rejected { code, .. } if *code == Code::ChannelNotFound);
    ensure!(is_rejection, "a message to nowhere got {first:?}");
    ada.accepted(world.op(room.create(Vec::new()))).await?;
    let again = ada.outcome(early).await?;
    ensure!(again == first, "it was {first:?}, and its repeat got {again:?}");
    let seq = ada.follow(&room.stream, None).await?.cursor.seq;
    ensure!(seq == 0, "what was rejected acted when it was repeated");
    Ok(())
}

pub(super) async fn an_id_with_another_content_is_op_conflict(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let id = world.id();
    let op = world.op(room.send(id, "the first content"));
    let sent = ada.sent(op.clone()).await?;
    let other = OpEnvelope {
        op: room.send(id, "another content"),
        ..op.clone()
    };
    let later = OpEnvelope {
        composed_at: Timestamp(op.composed_at.as_millis() + 1),
        ..op.clone()
    };
    let kind = OpEnvelope {
        op: room.rename("another kind"),
        ..op.clone()
    };
    for conflict in [other, later, kind] {
        ada.rejected(conflict, &[Code::OpConflict]).await?;
    }
    let edit = world.op(room.edit(id, "edited"));
    ada.accepted(edit.clone()).await?;
    let other = OpEnvelope {
        op: room.edit(id, "edited otherwise"),
        ..edit
    };
    ada.rejected(other, &[Code::OpConflict]).await?;
    // The first one is still known.
    let again = ada.sent(op).await?;
    ensure!(
        again.id == sent.id && again.body.text == "edited",
        "after that it is {again:?}"
    );
    Ok(())
}

pub(super) async fn ids_that_are_taken_are_id_conflict(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    let id = world.id();
    ada.accepted(world.op(room.send(id, "hers"))).await?;
    bob.rejected(world.op(room.send(id, "his")), &[Code::IdConflict])
        .await?;
    ada.rejected(world.op(room.send(id, "hers again")), &[Code::IdConflict])
        .await?;
    bob.rejected(world.op(room.create(Vec::new())), &[Code::IdConflict])
        .await?;
    Ok(())
}

pub(super) async fn an_operation_after_an_unseen_one_is_out_of_order(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let chained = |text: &str, after: Option<OpId>| OpEnvelope {
        after,
        ..world.op(room.send(world.id(), text))
    };
    let first = chained("first", None);
    let second = chained("second", Some(first.id));
    let third = chained("third", Some(second.id));
    for outcome in ada.ops(vec![second.clone(), third.clone()]).await? {
        let waits = matches!(&outcome, Outcome::Retry { code, .. } if *code == Code::OutOfOrder);
        ensure!(waits, "an operation whose `after` was never seen got {outcome:?}");
    }
    let seq = ada.follow(&room.stream, None).await?.cursor.seq;
    ensure!(seq == 0, "an operation that was out_of_order acted all the same");
    let outcomes = ada.ops(vec![first, second, third]).await?;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let row = message(&steps("an operation of a chain", outcome)?)?;
        ensure!(
            row.seq == number as u64 + 1,
            "the chain came out of order: {row:?} as number {number}"
        );
    }
    // One that was answered with a rejection was seen.
    let rejected = chained(" ", None);
    let after = chained("fourth", Some(rejected.id));
    ada.rejected(rejected, &[Code::Invalid]).await?;
    ada.accepted(after).await?;
    Ok(())
}

pub(super) async fn the_same_operation_on_two_connections_acts_once(world: &World) -> Checked {
    let (mut one, mut other) = (world.ada().await?, world.ada().await?);
    let room = world.room(&mut one).await?;
    for number in 0..10 {
        let op = world.op(room.send(world.id(), &format!("message {number}")));
        let (mine, theirs) = tokio::join!(one.sent(op.clone()), other.sent(op));
        let (mine, theirs) = (mine?, theirs?);
        ensure!(
            mine == theirs,
            "one connection got {mine:?}, the other {theirs:?}"
        );
        ensure!(mine.seq == number + 1, "message {number} has seq {}", mine.seq);
    }
    let chain = one.follow(&room.stream, None).await?;
    let there = messages(&chain.rows).len();
    ensure!(
        there == 10,
        "of 10 messages that were sent twice there are {there}"
    );
    Ok(())
}

pub(super) async fn an_answer_that_nobody_waited_for_was_given_all_the_same(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    for number in 1..=10 {
        let op = world.op(room.send(world.id(), &format!("message {number}")));
        let mut gone = world.ada().await?;
        gone.send(&ClientFrame::Ops(Ops {
            ops: vec![op.clone()],
        }))
        .await?;
        // Whether it was read before the connection broke is up to the server; the repeat settles it.
        gone.vanish();
        let row = ada.sent(op).await?;
        if row.seq != number {
            return Err(Problem::Failed(format!("message {number} has seq {}", row.seq)));
        }
    }
    Ok(())
}
