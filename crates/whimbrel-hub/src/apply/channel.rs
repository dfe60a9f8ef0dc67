use super::{
    Refusal, Scene, member,
    step::{Steps, put_member},
};
use crate::{ChannelRecord, WorkingSet};
use std::collections::BTreeSet;
use whimbrel_model::{Channel, ChannelId, Code, Custom, Member, MemberState, Role, Row, StreamId, UserId};

/// What a new channel is called.
pub(super) struct Looks<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    pub(super) custom: &'a Custom,
}

/// What is to change of a channel or a profile.
pub(super) struct Patch<'a> {
    pub(super) name: &'a Option<String>,
    pub(super) image: &'a Option<String>,
    pub(super) custom: &'a Option<Custom>,
}

impl Patch<'_> {
    /// Changes what is given; returns whether anything is different.
    pub(super) fn lay_over(&self, name: &mut String, image: &mut String, custom: &mut Custom) -> bool {
        let name = replace(name, self.name.as_ref());
        let image = replace(image, self.image.as_ref());
        let custom = replace(custom, self.custom.as_ref());
        name | image | custom
    }
}

fn replace<T: Clone + PartialEq>(current: &mut T, new: Option<&T>) -> bool {
    let Some(new) = new.filter(|new| **new != *current) else {
        return false;
    };
    current.clone_from(new);
    true
}

pub(super) fn create(
    set: &mut WorkingSet,
    scene: &Scene<'_>,
    cid: &ChannelId,
    looks: &Looks<'_>,
    members: &[UserId],
) -> Result<Steps, Refusal> {
    if set.channel(cid).is_some() && cid.is_distinct() {
        // Its members are its identity: it is the channel that was meant.
        return Ok(member::add(set, scene, cid, std::slice::from_ref(scene.user)));
    }
    if set.channel(cid).is_some() {
        return Err(Refusal {
            code: Code::IdConflict,
            message: format!("the channel {cid} exists already: choose another id"),
        });
    }
    let mut steps = Steps::default();
    let channel = Channel {
        cid: cid.clone(),
        name: looks.name.to_owned(),
        image: looks.image.to_owned(),
        custom: looks.custom.clone(),
        created_by: scene.user.clone(),
        created_at: scene.now,
        updated_at: scene.now,
        ver: steps.next_ver(set, &StreamId::Channel(cid.clone())),
    };
    steps.push(Row::Channel(channel.clone()));
    set.put_channel(ChannelRecord {
        channel,
        digest: scene.digest,
    });
    let others: BTreeSet<_> = members.iter().filter(|user| *user != scene.user).collect();
    let roles = std::iter::once((scene.user, Role::Owner));
    for (user, role) in roles.chain(others.into_iter().map(|user| (user, Role::Member))) {
        let member = Member {
            cid: cid.clone(),
            user: user.clone(),
            role,
            state: MemberState::Active,
            joined_at: scene.now,
            ver: 0,
        };
        put_member(set, &mut steps, member, |row| member::brought_in(row, scene));
    }
    Ok(steps)
}

pub(super) fn update(set: &mut WorkingSet, scene: &Scene<'_>, cid: &ChannelId, patch: &Patch<'_>) -> Steps {
    let mut steps = Steps::default();
    let Some(mut record) = set.channel(cid).cloned() else {
        return steps;
    };
    let row = &mut record.channel;
    if patch.lay_over(&mut row.name, &mut row.image, &mut row.custom) {
        row.updated_at = scene.now;
        row.ver = steps.next_ver(set, &StreamId::Channel(cid.clone()));
        steps.push(Row::Channel(row.clone()));
        set.put_channel(record);
    }
    steps
}
