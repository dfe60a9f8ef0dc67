//! Numbers and events.

use super::{
    Checked, Problem,
    peer::{Peer, messages, newest, own_rows},
    script::{Room, World},
};
use std::collections::BTreeSet;
use whimbrel_model::{Op, Row, StreamEvent, StreamId};

/// Operations of one writer in the cases with two.
const EACH: usize = 25;

async fn write(world: &World, peer: &mut Peer, room: &Room) -> Result<Vec<StreamEvent>, Problem> {
    let mut steps = Vec::new();
    for number in 0..EACH {
        let id = world.id();
        steps.extend(
            peer.accepted(world.op(room.send(id, &format!("message {number}"))))
                .await?,
        );
        steps.extend(peer.accepted(world.op(room.react(id, "like")?)).await?);
    }
    Ok(steps)
}

pub(super) async fn numbers_are_dense_and_given_once(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    let start = ada.follow(&room.stream, None).await?.cursor.ver;
    let (hers, his) = tokio::join!(write(world, &mut ada, &room), write(world, &mut bob, &room));
    let mut steps: Vec<StreamEvent> = hers?.into_iter().chain(his?).collect();
    steps.retain(|step| step.stream == room.stream);
    steps.sort_by_key(|step| step.from);
    let mut at = start;
    for step in &steps {
        ensure!(
            step.from == at,
            "after {at} comes a step from {}: {step:?}",
            step.from
        );
        let vers: Vec<u64> = own_rows(&room.stream, &step.rows).map(Row::ver).collect();
        let dense = vers.iter().copied().eq(step.from + 1..=step.to);
        ensure!(
            dense,
            "the step from {} to {} has rows of {vers:?}",
            step.from,
            step.to
        );
        at = step.to;
    }
    let seqs = messages(steps.iter().flat_map(|step| &step.rows))
        .into_iter()
        .map(|row| row.seq);
    let seqs: Vec<u64> = seqs.collect();
    let dense = seqs.iter().copied().eq(1..=2 * EACH as u64);
    ensure!(dense, "in the order of their versions the messages have {seqs:?}");
    let cursor = ada.follow(&room.stream, None).await?.cursor;
    ensure!(
        cursor.ver == at,
        "the steps lead to {at}, the feed to {}",
        cursor.ver
    );
    Ok(())
}

pub(super) async fn everyone_else_gets_each_step_once_and_in_order(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let (mut other, mut bob) = (world.ada().await?, world.bob().await?);
    let start = bob.follow(&room.stream, None).await?.cursor.ver;
    bob.events_so_far(&room.stream);
    let steps = write(world, &mut ada, &room).await?;
    let end = steps.last().map_or(start, |step| step.to);
    for peer in [&mut other, &mut bob] {
        let mut at = start;
        let mut rows = Vec::new();
        while at < end {
            let event = peer.event(&room.stream).await?;
            ensure!(
                event.from == at,
                "after {at} {} got a step from {} to {}",
                peer.user,
                event.from,
                event.to
            );
            ensure!(
                event.to > event.from,
                "{} got a step to nowhere: {event:?}",
                peer.user
            );
            at = event.to;
            rows.extend(event.rows);
        }
        let (got, told) = (newest(&rows), newest(steps.iter().flat_map(|step| &step.rows)));
        ensure!(
            got == told,
            "{} got {got:?}, the answers said {told:?}",
            peer.user
        );
        // Whatever is there twice comes before the next one.
        ada.accepted(world.op(room.send(world.id(), "the last one")))
            .await?;
        let next = peer.event(&room.stream).await?;
        ensure!(next.from >= end, "{} got a step twice: {next:?}", peer.user);
    }
    ada.heads(None).await?;
    let own = ada.events_so_far(&room.stream);
    ensure!(
        own.is_empty(),
        "the connection that sent them got {} events of its own steps",
        own.len()
    );
    Ok(())
}

pub(super) async fn an_event_is_what_the_feed_says(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    let mut cursor = bob.follow(&room.stream, None).await?.cursor;
    bob.events_so_far(&room.stream);
    let id = world.id();
    for op in [
        room.send(id, "hello"),
        room.edit(id, "hello, edited"),
        room.rename("renamed"),
        room.delete(id),
    ] {
        let name = op.name();
        ada.accepted(world.op(op)).await?;
        let event = bob.event(&room.stream).await?;
        let chain = bob.follow(&room.stream, Some(cursor)).await?;
        let (live, fed) = (newest(&event.rows), newest(&chain.rows));
        ensure!(live == fed, "of {name} the event says {live:?}, the feed {fed:?}");
        let there = (event.to, event.seq);
        cursor = chain.cursor;
        ensure!(
            there == (cursor.ver, cursor.seq),
            "of {name} the event leads to {there:?}, the feed to {cursor:?}"
        );
    }
    Ok(())
}

pub(super) async fn nothing_is_missed_between_ready_and_the_first_event(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    for number in 1..=10 {
        let op = world.op(room.send(world.id(), &format!("message {number}")));
        let (bob, sent) = tokio::join!(world.bob(), ada.sent(op));
        let (mut bob, sent) = (bob?, sent?);
        // Either it was there before ready, or it comes as an event.
        let chain = bob.follow(&room.stream, None).await?;
        if chain.cursor.seq < sent.seq {
            let event = bob.event(&room.stream).await?;
            ensure!(
                event.to >= sent.ver,
                "message {number} is in no page, and {event:?} came"
            );
        }
    }
    Ok(())
}

pub(super) async fn a_profile_comes_beside_members(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let name = format!("Ada {}", world.id());
    let named = Op::UpdateUser {
        name: Some(name.clone()),
        image: None,
        custom: None,
    };
    let steps = ada.accepted(world.op(named)).await?;
    let own = StreamId::User(ada.user.clone());
    ensure!(
        steps.iter().any(|step| step.stream == own),
        "a new name is not in the own stream: {steps:?}"
    );
    let room = world.room(&mut ada).await?;
    let chain = world.bob().await?.follow(&room.stream, None).await?;
    let names: BTreeSet<&str> = chain.rows.iter().filter_map(profile).collect();
    ensure!(
        names.contains(name.as_str()),
        "her name is not beside her membership: {:?}",
        chain.rows
    );
    Ok(())
}

fn profile(row: &Row) -> Option<&str> {
    match row {
        Row::User(user) => Some(&user.name),
        _ => None,
    }
}
