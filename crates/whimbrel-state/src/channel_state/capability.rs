//! What the account may do in a channel, predicted with the code that the server decides with.

use std::collections::BTreeSet;
use whimbrel_model::{
    ChannelId, Member, Membership, Message, MessageBody, MessageId, MessageKind, Op, Timestamp, UserId,
    permission::{Denied, Scene, authorize},
};

/// Something that an account may do in a channel.
///
/// A prediction: the server decides when the operation reaches it, by what is so then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Send messages, react to them, and read.
    SendMessages,
    /// Send messages that speak for the channel.
    SendSystemMessages,
    /// Change the name, the picture and the custom data.
    UpdateChannel,
    /// Add members.
    AddMembers,
    /// Remove others.
    RemoveMembers,
    /// Leave.
    Leave,
}

/// Predicts what the owner of `membership` may do.
pub(super) fn capabilities(membership: &Membership) -> BTreeSet<Capability> {
    let (cid, me) = (&membership.cid, &membership.user);
    let samples = [
        (Capability::SendMessages, Some(sent(cid, MessageKind::Regular))),
        (
            Capability::SendSystemMessages,
            Some(sent(cid, MessageKind::System)),
        ),
        (Capability::UpdateChannel, Some(updated(cid))),
        (
            Capability::AddMembers,
            other_than(me).map(|other| added(cid, other)),
        ),
        (
            Capability::RemoveMembers,
            other_than(me).map(|other| removed(cid, other)),
        ),
        (Capability::Leave, Some(removed(cid, me.clone()))),
    ];
    let allowed = samples.into_iter().filter(|(_, op)| {
        let op = op.as_ref();
        op.is_some_and(|op| predict(op, Some(membership), me, None).is_ok())
    });
    allowed.map(|(capability, _)| capability).collect()
}

/// Predicts what the server will say to an operation of `me`. `message` is the one that it changes.
pub(super) fn predict(
    op: &Op,
    membership: Option<&Membership>,
    me: &UserId,
    message: Option<&Message>,
) -> Result<(), Denied> {
    let member = membership.map(|own| Member {
        cid: own.cid.clone(),
        user: own.user.clone(),
        role: own.role,
        state: own.state,
        joined_at: Timestamp(0),
        ver: own.ver,
    });
    let scene = Scene {
        actor: me,
        channel_exists: true,
        member: member.as_ref(),
        message,
    };
    authorize(op, scene)
}

/// Returns somebody else.
fn other_than(me: &UserId) -> Option<UserId> {
    let names = ["a", "b"].into_iter().filter_map(|name| UserId::new(name).ok());
    names.into_iter().find(|user| user != me)
}

fn sent(cid: &ChannelId, kind: MessageKind) -> Op {
    Op::SendMessage {
        cid: cid.clone(),
        id: MessageId(Default::default()),
        body: MessageBody::default(),
        parent: None,
        show_in_channel: false,
        quoted: None,
        kind,
        silent: false,
    }
}

fn updated(cid: &ChannelId) -> Op {
    Op::UpdateChannel {
        cid: cid.clone(),
        name: None,
        image: None,
        custom: None,
    }
}

fn added(cid: &ChannelId, user: UserId) -> Op {
    Op::AddMembers {
        cid: cid.clone(),
        users: vec![user],
    }
}

fn removed(cid: &ChannelId, user: UserId) -> Op {
    Op::RemoveMembers {
        cid: cid.clone(),
        users: vec![user],
    }
}
