use super::{Scene, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, DeviceId, Draft, DraftContent, DraftSeen, MessageId, StreamId};

/// Where a draft is for.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cid: &'a ChannelId,
    pub(super) parent: Option<MessageId>,
}

/// Fills or empties the slot of one device, and empties those of others that are still as they were seen.
pub(super) fn save(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    place: Place<'_>,
    (device, content): (DeviceId, &Option<DraftContent>),
    replaces: &[DraftSeen],
) -> Steps {
    let mut steps = Steps::default();
    for seen in replaces.iter().filter(|seen| seen.device != device) {
        let slot = set.draft(scene.user, place.cid, place.parent, seen.device);
        if slot.is_some_and(|slot| slot.ver == seen.ver) {
            put(set, scene, &mut steps, place, (seen.device, &None));
        }
    }
    put(set, scene, &mut steps, place, (device, content));
    steps
}

fn put(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    steps: &mut Steps,
    place: Place<'_>,
    (device, content): (DeviceId, &Option<DraftContent>),
) {
    let slot = set.draft(scene.user, place.cid, place.parent, device);
    if slot.and_then(|slot| slot.content.as_ref()) == content.as_ref() {
        return;
    }
    let row = Draft {
        user: scene.user.clone(),
        cid: place.cid.clone(),
        parent: place.parent,
        device,
        content: content.clone(),
        updated_at: scene.now,
        ver: steps.next_ver(set, &StreamId::User(scene.user.clone())),
    };
    steps.put(set, PlainRow::Draft(row));
}
