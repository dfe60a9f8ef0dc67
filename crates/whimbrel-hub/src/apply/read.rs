use super::{Refusal, Scene, account::settings, message, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, Invalid, MessageId, Read, ReadPosition, StreamId, limits};

/// Moves the actor's read register, of the channel or of a thread, forward, never past the channel's newest message.
///
/// An epoch far after the register's is refused: it is no device's honest next one, and each that is taken leaves fewer.
pub(super) fn mark(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    thread: Option<MessageId>,
    position: ReadPosition,
) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    if let Some(thread) = thread {
        message::find_root(set, cid, ("thread", thread))?;
    }
    let stream = StreamId::Channel(cid.clone());
    let mut row = register(set, scene, cid, thread);
    let most = row.epoch.saturating_add(limits::READ_EPOCHS_AHEAD);
    if position.epoch > most {
        let problem = format!("must be at most {most} here, got {}", position.epoch);
        return Err(Invalid::new("epoch", problem).into());
    }
    let seq = position.seq.min(set.head(&stream).seq);
    if row.advance(ReadPosition { seq, ..position }) {
        put(set, scene, &mut steps, row);
    }
    Ok(steps)
}

/// Moves the actor's register of a thread to an own reply: who writes there has read what is there, and follows it.
pub(super) fn follow(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    steps: &mut Steps,
    (cid, thread): (&ChannelId, MessageId),
    seq: u64,
) {
    let mut row = register(set, scene, cid, Some(thread));
    let epoch = row.epoch;
    if row.advance(ReadPosition { epoch, seq }) {
        put(set, scene, steps, row);
    }
}

/// Stamps a register and puts it: for others too, if the channel has receipts and the actor lets them be seen.
fn put(set: &mut WorkingSet, scene: &Scene<'_>, steps: &mut Steps, mut row: Read) {
    let is_shown = scene.rules.features(&row.cid).read_receipts && settings(set, scene.user).read_receipts;
    row.private = !is_shown;
    row.ver = steps.next_ver(set, &StreamId::Channel(row.cid.clone()));
    steps.put(set, PlainRow::Read(row));
}

fn register(set: &WorkingSet, scene: &Scene<'_>, cid: &ChannelId, thread: Option<MessageId>) -> Read {
    match set.read(cid, scene.user, thread) {
        Some(row) => row.clone(),
        None => Read::new(cid.clone(), scene.user.clone(), thread),
    }
}
