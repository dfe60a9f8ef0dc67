use super::{Scene, channel::Patch, step::Steps};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{Custom, StreamId, User};

/// Changes the actor's own profile, or makes it.
pub(super) fn update(set: &mut WorkingSet, scene: &Scene<'_>, patch: &Patch<'_>) -> Steps {
    let mut steps = Steps::default();
    let mut row = set.user(scene.user).cloned().unwrap_or_else(|| User {
        id: scene.user.clone(),
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        ver: 0,
    });
    if patch.lay_over(&mut row.name, &mut row.image, &mut row.custom) {
        row.ver = steps.next_ver(set, &StreamId::User(scene.user.clone()));
        steps.put(set, PlainRow::User(row));
    }
    steps
}
