//! What has reached whom, and what is kept private of it.

use super::{
    Checked, Problem,
    peer::{Peer, newest},
    script::{Room, World},
};
use whimbrel_model::{Delivered, Op, Row, RowKey, SettingsChange, StreamEvent};

fn marks(peer: &Peer, room: &Room, seq: u64) -> Op {
    Op::MarkDelivered {
        cid: room.cid.clone(),
        device: peer.device,
        seq,
    }
}

/// Returns the only register that steps carry.
fn register<'a>(steps: impl IntoIterator<Item = &'a StreamEvent>) -> Result<Delivered, Problem> {
    let rows = steps.into_iter().flat_map(|step| &step.rows);
    let mut registers = rows.filter_map(|row| match row {
        Row::Delivered(row) => Some(row.clone()),
        _ => None,
    });
    let first = registers.next();
    first.ok_or_else(|| Problem::Failed("a mark that moves the register has no row of it".to_owned()))
}

pub(super) async fn what_has_reached_a_user_only_grows_and_ends_at_the_newest(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    for text in ["one", "two"] {
        ada.accepted(world.op(room.send(world.id(), text))).await?;
    }
    let first = register(&bob.accepted(world.op(marks(&bob, &room, 1))).await?)?;
    ensure!(
        first.seq == 1 && first.of_device(bob.device) == 1,
        "a device that has message 1 has a register of {first:?}"
    );
    let event = loop {
        let event = ada.event(&room.stream).await?;
        if event.rows.iter().any(|row| matches!(row, Row::Delivered(_))) {
            break event;
        }
    };
    let told = register([&event])?;
    ensure!(
        told.user == bob.user && told.seq == 1 && told.devices.is_empty(),
        "the sender is told of the register so: {told:?}"
    );
    let last = register(&bob.accepted(world.op(marks(&bob, &room, 99))).await?)?;
    ensure!(
        last.seq == 2,
        "a mark of 99 where there are 2 messages makes {last:?}"
    );
    for seq in [2, 1] {
        let steps = bob.accepted(world.op(marks(&bob, &room, seq))).await?;
        ensure!(
            steps.iter().all(|step| step.from == step.to),
            "a mark of {seq} after 2 moves something: {steps:?}"
        );
        // So whoever has forgotten how far it is does not take the mark for one that is not wanted.
        let still = register(&steps)?;
        ensure!(
            still.seq == 2,
            "a mark of {seq} after 2 is answered with a register of {still:?}"
        );
    }
    Ok(())
}

pub(super) async fn private_receipts_reach_nobody_else(world: &World) -> Checked {
    let (mut ada, mut bob, mut laptop) = (world.ada().await?, world.bob().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    bob.accepted(world.op(shows(false))).await?;
    let checked = kept_private(world, &room, &mut ada, &mut bob, &mut laptop).await;
    bob.accepted(world.op(shows(true))).await?;
    checked
}

fn shows(receipts: bool) -> Op {
    Op::UpdateSettings {
        change: SettingsChange {
            read_receipts: Some(receipts),
            delivery_receipts: Some(receipts),
            ..SettingsChange::default()
        },
    }
}

async fn kept_private(
    world: &World,
    room: &Room,
    ada: &mut Peer,
    bob: &mut Peer,
    laptop: &mut Peer,
) -> Checked {
    ada.accepted(world.op(room.send(world.id(), "hello"))).await?;
    let cursor = ada.follow(&room.stream, None).await?.cursor;
    for op in [marks(bob, room, 1), room.read(1)] {
        let steps = bob.accepted(world.op(op)).await?;
        ensure!(
            steps.len() == 1,
            "an own receipt that moves has no step: {steps:?}"
        );
    }
    ada.accepted(world.op(room.send(world.id(), "and?"))).await?;
    let keys = [
        RowKey::Delivered(room.cid.clone(), bob.user.clone()),
        RowKey::Read(room.cid.clone(), bob.user.clone(), None),
    ];
    let own = laptop.follow(&room.stream, None).await?;
    let known = newest(&own.rows);
    ensure!(
        keys.iter().all(|key| known.contains_key(key)),
        "another device of the user is not told of the own receipts: {:?}",
        own.rows
    );
    let mut seen = ada.follow(&room.stream, Some(cursor)).await?.rows;
    seen.extend(ada.follow(&room.stream, None).await?.rows);
    seen.extend(
        ada.events_so_far(&room.stream)
            .into_iter()
            .flat_map(|event| event.rows),
    );
    let leak = seen.iter().find(|row| keys.contains(&row.key()));
    ensure!(leak.is_none(), "{} is told of {leak:?}", ada.user);
    Ok(())
}
