//! Who may do what. The server decides with this, in the transaction that applies the operation; a device predicts
//! with the same code.

use crate::{ChannelId, Code, Member, MemberState, Message, MessageKind, Op, Role, UserId};

/// A refusal: the stable code and what it means here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// The stable code.
    pub code: Code,
    /// Why, in words that name the operation.
    pub reason: String,
}

/// What is known about the place where an operation acts.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Who acts.
    pub actor: &'a UserId,
    /// Whether the channel exists.
    pub channel_exists: bool,
    /// The actor's membership, if there ever was one.
    pub member: Option<&'a Member>,
    /// The message that the operation changes, if it exists.
    pub message: Option<&'a Message>,
}

/// Decides whether `op` is allowed.
///
/// A channel that the actor is not in looks the same as one that does not exist.
///
/// # Errors
/// [`Denied`] with `channel_not_found`, `not_member`, `message_not_found` or `forbidden`.
pub fn authorize(op: &Op, scene: Scene<'_>) -> Result<(), Denied> {
    let Some(cid) = op.cid() else { return Ok(()) };
    if matches!(op, Op::CreateChannel { .. }) {
        return Ok(());
    }
    let Some(member) = scene.member.filter(|_| scene.channel_exists) else {
        return Err(deny(
            Code::ChannelNotFound,
            format!("there is no channel {cid} for {}", scene.actor),
        ));
    };
    if matches!(op, Op::AnswerInvite { .. }) {
        // Without an invitation there is nothing to answer.
        return Ok(());
    }
    if member.state == MemberState::Invited {
        return Err(deny(
            Code::NotMember,
            format!("{} is invited to {cid}: accept the invitation first", scene.actor),
        ));
    }
    if member.state != MemberState::Active {
        return Err(deny(
            Code::NotMember,
            format!("{} is not a member of {cid} any more", scene.actor),
        ));
    }
    authorize_member(op, scene, cid, member.role == Role::Owner)
}

/// Decides on an operation of an active member.
fn authorize_member(op: &Op, scene: Scene<'_>, cid: &ChannelId, owner: bool) -> Result<(), Denied> {
    match op {
        Op::UpdateChannel { .. } | Op::AddMembers { .. } | Op::InviteMembers { .. } if !owner => Err(deny(
            Code::Forbidden,
            format!("{} needs the role owner in {cid}", op.name()),
        )),
        Op::RemoveMembers { users, .. } if !owner && users.iter().any(|user| user != scene.actor) => {
            Err(deny(
                Code::Forbidden,
                format!("removing others from {cid} needs the role owner"),
            ))
        }
        Op::AddMembers { .. } | Op::RemoveMembers { .. } | Op::InviteMembers { .. }
            if cid.is_distinct() && !leaves(op, scene.actor) =>
        {
            Err(deny(
                Code::Forbidden,
                format!("the members of {cid} are its identity: create another channel to have others in it"),
            ))
        }
        Op::SendMessage {
            kind: MessageKind::System,
            ..
        } if !owner => Err(deny(
            Code::Forbidden,
            format!("a system message in {cid} needs the role owner"),
        )),
        Op::EditMessage { id, .. } => match scene.message {
            None => Err(no_message(cid, id)),
            Some(message) if message.author != *scene.actor => Err(deny(
                Code::Forbidden,
                format!("only the author can edit message {id}"),
            )),
            Some(_) => Ok(()),
        },
        Op::DeleteMessage { id, .. } => match scene.message {
            None => Err(no_message(cid, id)),
            Some(message) if message.author != *scene.actor && !owner => Err(deny(
                Code::Forbidden,
                format!("only its author or an owner can delete message {id}"),
            )),
            Some(_) => Ok(()),
        },
        Op::PinMessage { id, .. } | Op::UnpinMessage { id, .. } if scene.message.is_none() => {
            Err(no_message(cid, id))
        }
        Op::AddReaction { message, .. } | Op::RemoveReaction { message, .. } if scene.message.is_none() => {
            Err(no_message(cid, message))
        }
        _ => Ok(()),
    }
}

fn leaves(op: &Op, actor: &UserId) -> bool {
    matches!(op, Op::RemoveMembers { users, .. } if users.iter().all(|user| user == actor))
}

fn deny(code: Code, reason: String) -> Denied {
    Denied { code, reason }
}

fn no_message(cid: &ChannelId, id: &crate::MessageId) -> Denied {
    deny(
        Code::MessageNotFound,
        format!("there is no message {id} in {cid}"),
    )
}
