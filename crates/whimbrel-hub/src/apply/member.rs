use super::{
    Scene,
    step::{Steps, is_out, put_member},
};
use crate::WorkingSet;
use whimbrel_model::{ChannelId, Member, MemberState, Role, UserId};

/// Adds whoever is not in. One who comes back comes back as a plain member.
pub(super) fn add(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, users: &[UserId]) -> Steps {
    let mut steps = Steps::default();
    for user in users {
        if is_out(set.member(cid, user)) {
            let member = Member {
                cid: cid.clone(),
                user: user.clone(),
                role: Role::Member,
                state: MemberState::Active,
                joined_at: scene.now,
                ver: 0,
            };
            put_member(set, &mut steps, member);
        }
    }
    steps
}

/// Removes whoever is in. Their rows stay, as gone.
pub(super) fn remove(set: &mut WorkingSet, cid: &ChannelId, users: &[UserId]) -> Steps {
    let mut steps = Steps::default();
    for user in users {
        let member = set
            .member(cid, user)
            .filter(|member| member.state == MemberState::Active);
        if let Some(member) = member.cloned() {
            let gone = Member {
                state: MemberState::Gone,
                ..member
            };
            put_member(set, &mut steps, gone);
        }
    }
    steps
}
