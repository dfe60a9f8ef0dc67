use super::{
    Scene,
    step::{Steps, is_out, put_member},
};
use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{
    ChannelId, ConsentState, Invite, Member, MemberState, Membership, MembershipChange, Role, StreamId,
    UserId,
};

/// Adds whoever is not in. One who comes back comes back as a plain member.
pub(super) fn add(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, users: &[UserId]) -> Steps {
    let mut steps = Steps::default();
    for user in users {
        if set
            .member(cid, user)
            .is_none_or(|member| member.state != MemberState::Active)
        {
            let member = plain(scene, cid, user, MemberState::Active);
            put_member(set, &mut steps, member, |row| brought_in(row, scene));
        }
    }
    steps
}

/// Removes whoever is in, or asked to come in. Their rows stay, as gone.
pub(super) fn remove(set: &mut WorkingSet, cid: &ChannelId, users: &[UserId]) -> Steps {
    let mut steps = Steps::default();
    for user in users {
        let member = set.member(cid, user).filter(|member| !is_out(Some(member)));
        if let Some(member) = member.cloned() {
            let gone = Member {
                state: MemberState::Gone,
                ..member
            };
            put_member(set, &mut steps, gone, |row| row.invite = None);
        }
    }
    steps
}

/// Asks whoever is not in, nor asked already.
pub(super) fn invite(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, users: &[UserId]) -> Steps {
    let mut steps = Steps::default();
    let name = set
        .channel(cid)
        .map_or_else(String::new, |record| record.channel.name.clone());
    for user in users {
        if is_out(set.member(cid, user)) {
            let member = plain(scene, cid, user, MemberState::Invited);
            put_member(set, &mut steps, member, |row| {
                brought_in(row, scene);
                row.invite = Some(Invite {
                    by: scene.user.clone(),
                    at: scene.now,
                    name: name.clone(),
                });
            });
        }
    }
    steps
}

/// Answers an invitation of the actor. Who comes in wants the channel.
pub(super) fn answer(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, accept: bool) -> Steps {
    let mut steps = Steps::default();
    let invited = set.member(cid, scene.user);
    let invited = invited.filter(|member| member.state == MemberState::Invited);
    if let Some(member) = invited.cloned() {
        let state = if accept {
            MemberState::Active
        } else {
            MemberState::Gone
        };
        let member = Member {
            state,
            joined_at: scene.now,
            ..member
        };
        put_member(set, &mut steps, member, |row| {
            row.invite = None;
            if accept {
                row.consent = ConsentState::Allowed;
            }
        });
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

/// Whoever writes in a channel of which nothing was decided allows it.
pub(super) fn allow_by_writing(set: &mut WorkingSet, scene: &Scene<'_>, steps: &mut Steps, cid: &ChannelId) {
    let undecided = set.membership(cid, scene.user);
    let undecided = undecided.filter(|row| row.consent == ConsentState::Unknown);
    if let Some(mut row) = undecided.cloned() {
        row.consent = ConsentState::Allowed;
        row.ver = steps.next_ver(set, &StreamId::User(scene.user.clone()));
        steps.put(set, PlainRow::Membership(row));
    }
}

/// Notes who brought a user in: the user's own doing is to want the channel.
pub(super) fn brought_in(row: &mut Membership, scene: &Scene<'_>) {
    row.invite = None;
    if row.user == *scene.user {
        row.added_by = None;
        row.consent = ConsentState::Allowed;
    } else {
        row.added_by = Some(scene.user.clone());
    }
}

fn plain(scene: &Scene<'_>, cid: &ChannelId, user: &UserId, state: MemberState) -> Member {
    Member {
        cid: cid.clone(),
        user: user.clone(),
        role: Role::Member,
        state,
        joined_at: scene.now,
        ver: 0,
    }
}
