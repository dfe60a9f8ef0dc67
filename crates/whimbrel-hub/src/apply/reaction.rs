use super::{Scene, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{MessageId, Reaction, ReactionType, StreamId};

/// Adds or takes back the actor's own reaction; on a deleted message nothing happens.
pub(super) fn set(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    id: MessageId,
    kind: &ReactionType,
    removed: bool,
) -> Steps {
    let mut steps = Steps::default();
    let is_removed = set.reaction(id, scene.user, kind).is_none_or(|row| row.removed);
    let message = set.message(id).map(|record| &record.message);
    let Some(message) = message.filter(|message| !message.is_deleted() && is_removed != removed) else {
        return steps;
    };
    let cid = message.cid.clone();
    let row = Reaction {
        ver: steps.next_ver(set, &StreamId::Channel(cid.clone())),
        cid,
        message: id,
        user: scene.user.clone(),
        kind: kind.clone(),
        removed,
        at: scene.now,
    };
    steps.put(set, PlainRow::Reaction(row));
    steps
}
