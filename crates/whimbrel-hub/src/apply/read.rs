use super::{Refusal, Scene, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, Invalid, Read, ReadPosition, StreamId, limits};

/// Moves the actor's read register forward, never past the channel's newest message.
///
/// An epoch far after the register's is refused: it is no device's honest next one, and each that is taken leaves fewer.
pub(super) fn mark(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    position: ReadPosition,
) -> Result<Steps, Refusal> {
    let mut steps = Steps::default();
    let stream = StreamId::Channel(cid.clone());
    let mut row = match set.read(cid, scene.user) {
        Some(row) => row.clone(),
        None => Read::new(cid.clone(), scene.user.clone()),
    };
    let most = row.epoch.saturating_add(limits::READ_EPOCHS_AHEAD);
    if position.epoch > most {
        let problem = format!("must be at most {most} here, got {}", position.epoch);
        return Err(Invalid::new("epoch", problem).into());
    }
    let seq = position.seq.min(set.head(&stream).seq);
    if row.advance(ReadPosition { seq, ..position }) {
        row.ver = steps.next_ver(set, &stream);
        steps.put(set, PlainRow::Read(row));
    }
    Ok(steps)
}
