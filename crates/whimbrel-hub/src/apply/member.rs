use super::{
    Scene,
    step::{Steps, is_out, put_member},
};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{ChannelId, Member, MemberState, MembershipChange, Role, StreamId, UserId};

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

/// Changes how the actor keeps a channel.
pub(super) fn keep(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    change: &MembershipChange,
) -> Steps {
    let mut steps = Steps::default();
    if let Some(mut row) = set.membership(cid, scene.user).cloned()
        && row.change(change, scene.now)
    {
        row.ver = steps.next_ver(set, &StreamId::User(scene.user.clone()));
        steps.put(set, PlainRow::Membership(row));
    }
    steps
}
