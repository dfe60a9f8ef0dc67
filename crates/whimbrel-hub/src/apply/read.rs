use super::{Scene, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, Read, StreamId};

/// Moves the actor's read position forward, never past the channel's newest message.
pub(super) fn mark(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, epoch: u32, seq: u64) -> Steps {
    let mut steps = Steps::default();
    let stream = StreamId::Channel(cid.clone());
    let seq = seq.min(set.head(&stream).seq);
    let current = set
        .read(cid, scene.user)
        .map_or((0, 0), |row| (row.epoch, row.seq));
    if (epoch, seq) > current {
        let row = Read {
            cid: cid.clone(),
            user: scene.user.clone(),
            epoch,
            seq,
            ver: steps.next_ver(set, &stream),
        };
        steps.put(set, PlainRow::Read(row));
    }
    steps
}
