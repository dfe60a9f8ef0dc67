use super::{Scene, account::settings, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, Delivered, DeviceId, StreamId};

/// Moves the actor's register of what has reached one of their devices, never past the channel's newest message.
pub(super) fn mark(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    device: DeviceId,
    seq: u64,
) -> Steps {
    let mut steps = Steps::default();
    if !scene.rules.features(cid).delivery_receipts || set.is_crowded(cid) {
        return steps;
    }
    let stream = StreamId::Channel(cid.clone());
    let mut row = match set.delivered(cid, scene.user) {
        Some(row) => row.clone(),
        None => Delivered::new(cid.clone(), scene.user.clone()),
    };
    if row.advance(device, seq.min(set.head(&stream).seq)) {
        let settings = settings(set, scene.user);
        row.private = !settings.delivery_receipts;
        row.devices_public = settings.device_receipts;
        row.ver = steps.next_ver(set, &stream);
        steps.put(set, PlainRow::Delivered(row));
    }
    steps
}
