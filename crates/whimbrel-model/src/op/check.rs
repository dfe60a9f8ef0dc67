//! What can be checked of an operation without looking at anything else.

use super::Op;
use crate::{
    ChannelId, Custom, Invalid, UserId,
    account::{check_offer, check_registration},
    draft, limits,
    user::check_profile,
};

impl Op {
    /// Checks every id and limit that can be checked without looking at anything else.
    ///
    /// The device checks before it queues, the server checks again.
    ///
    /// # Errors
    /// [`Invalid`], naming the field.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self {
            Self::CreateChannel {
                name,
                image,
                custom,
                members,
                ..
            } => {
                check_profile(name, image, custom)?;
                check_users(members, 0)
            }
            Self::UpdateChannel {
                name, image, custom, ..
            }
            | Self::UpdateUser { name, image, custom } => check_profile(
                name.as_deref().unwrap_or_default(),
                image.as_deref().unwrap_or_default(),
                custom.as_ref().unwrap_or(&Custom::default()),
            ),
            Self::AddMembers { users, .. }
            | Self::RemoveMembers { users, .. }
            | Self::InviteMembers { users, .. } => check_users(users, 1),
            Self::SendMessage {
                id,
                body,
                parent,
                show_in_channel,
                ..
            } => {
                id.validate()?;
                if *show_in_channel && parent.is_none() {
                    return Err(Invalid::new(
                        "show_in_channel",
                        "is only for a reply, which has a parent",
                    ));
                }
                body.validate()
            }
            Self::EditMessage { body, .. } => body.validate(),
            Self::MarkRead { seq, .. } => check_number("seq", *seq),
            Self::MarkDelivered { device, seq, .. } => {
                device.validate()?;
                check_number("seq", *seq)
            }
            Self::UpdateMembership { change, .. } => change.validate(),
            Self::SaveDraft {
                content, replaces, ..
            } => draft::check(content.as_ref(), replaces),
            Self::DeleteMessage { .. }
            | Self::PinMessage { .. }
            | Self::UnpinMessage { .. }
            | Self::AddReaction { .. }
            | Self::RemoveReaction { .. }
            | Self::AnswerInvite { .. } => Ok(()),
            op => op.validate_account(),
        }
    }

    /// What is about the account itself.
    fn validate_account(&self) -> Result<(), Invalid> {
        match self {
            Self::UpdateSettings { change } => change.validate(),
            Self::UpdateContact { change, .. } => change.validate(),
            Self::RegisterDevice {
                device,
                name,
                agent,
                key,
            } => {
                device.validate()?;
                check_registration(name, agent, key.as_ref())
            }
            Self::UpdateDevice { change, .. } => change.validate(),
            Self::RequestDeviceSync { device, key, .. } => {
                device.validate()?;
                limits::check_bytes("key", key, limits::DEVICE_KEY_BYTES)
            }
            Self::OfferDeviceSync { bytes, sha256, .. } => check_offer(*bytes, sha256),
            _ => Ok(()),
        }
    }

    /// Checks what depends on who acts: that the members of a distinct channel are those that its id stands for, and that a
    /// contact is somebody else. Any other operation passes.
    ///
    /// # Errors
    /// [`Invalid`], naming the field.
    pub fn validate_for(&self, actor: &UserId) -> Result<(), Invalid> {
        let (cid, members) = match self {
            Self::CreateChannel { cid, members, .. } => (cid, members),
            Self::UpdateContact { user, .. } if user == actor => {
                return Err(Invalid::new("user", "must be somebody else"));
            }
            _ => return Ok(()),
        };
        if !cid.is_distinct() {
            return Ok(());
        }
        let made_of = ChannelId::distinct(cid.channel_type(), members.iter().chain([actor]))?;
        if made_of == *cid {
            return Ok(());
        }
        let problem =
            format!("begins with !, which stands for the members: for these it is {made_of}, got {cid}");
        Err(Invalid::new("cid", problem))
    }
}

/// What the wire does not carry must not get into an outbox.
pub(crate) fn check_number(field: &'static str, number: u64) -> Result<(), Invalid> {
    if number > limits::NUMBER {
        let problem = format!("must be at most {}, got {number}", limits::NUMBER);
        return Err(Invalid::new(field, problem));
    }
    Ok(())
}

fn check_users(users: &[UserId], least: usize) -> Result<(), Invalid> {
    if users.len() < least {
        return Err(Invalid::new("users", "must not be empty"));
    }
    if users.len() > limits::MEMBERS_PER_OP {
        return Err(Invalid::too_large(
            "users",
            users.len(),
            limits::MEMBERS_PER_OP,
            "users",
        ));
    }
    Ok(())
}
