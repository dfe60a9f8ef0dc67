//! When two queued operations are as good as one, or as none.
//!
//! Only ever asked about operations that were never sent: what may have reached the server is immutable.

use crate::{DeviceId, DraftSeen, MessageId, Op, limits};

/// What two operations of one lane, the earlier one never sent, come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Merge {
    /// Both are needed.
    Keep,
    /// This one, in the place of the earlier one, does what both do.
    Replace(Op),
    /// Neither is needed: the server never has to hear of them.
    Annihilate,
}

impl Op {
    /// Returns what this operation and a `later` one come to, wherever the server stands.
    ///
    /// That nothing between the two makes a difference, see [`Op::commutes_with`], is for the caller to check, and for
    /// [`Merge::Annihilate`] that nothing else needs the message.
    ///
    /// Two opposite reactions are the later one, not nothing: whether the reaction was there before is not known here.
    #[must_use]
    pub fn merged_with(&self, later: &Self) -> Merge {
        match (self, later) {
            (Self::SendMessage { .. }, Self::EditMessage { .. })
            | (Self::EditMessage { .. }, Self::EditMessage { .. })
            | (Self::SendMessage { .. }, Self::DeleteMessage { .. })
                if self.message() == later.message() =>
            {
                self.merged_with_change(later)
            }
            (
                Self::AddReaction { message, kind, .. } | Self::RemoveReaction { message, kind, .. },
                Self::AddReaction {
                    message: other,
                    kind: same,
                    ..
                }
                | Self::RemoveReaction {
                    message: other,
                    kind: same,
                    ..
                },
            ) if message == other && kind == same => Merge::Replace(later.clone()),
            (
                Self::PinMessage { id, .. } | Self::UnpinMessage { id, .. },
                Self::PinMessage { id: other, .. } | Self::UnpinMessage { id: other, .. },
            ) if id == other => Merge::Replace(later.clone()),
            // The register would come to the further one too.
            (
                Self::MarkRead { cid, thread, .. },
                Self::MarkRead {
                    cid: other,
                    thread: same,
                    ..
                },
            ) if cid == other && thread == same => {
                let further = later.read_position() > self.read_position();
                Merge::Replace(if further { later.clone() } else { self.clone() })
            }
            _ => self.merged_with_update(later),
        }
    }

    /// A change of a message that this operation makes or changes.
    fn merged_with_change(&self, change: &Self) -> Merge {
        let Self::EditMessage { body: new, .. } = change else {
            return Merge::Annihilate;
        };
        let mut merged = self.clone();
        match &mut merged {
            Self::SendMessage { body, .. } | Self::EditMessage { body, .. } => body.clone_from(new),
            _ => return Merge::Keep,
        }
        Merge::Replace(merged)
    }

    /// Fields that the later update does not name keep what the earlier one gave them.
    fn merged_with_update(&self, later: &Self) -> Merge {
        let mut merged = later.clone();
        match (self, &mut merged) {
            (
                Self::UpdateChannel {
                    cid: before,
                    name: old_name,
                    image: old_image,
                    custom: old_custom,
                },
                Self::UpdateChannel {
                    cid,
                    name,
                    image,
                    custom,
                },
            ) if before == cid => {
                keep(name, old_name.as_ref());
                keep(image, old_image.as_ref());
                keep(custom, old_custom.as_ref());
            }
            (
                Self::UpdateUser {
                    name: old_name,
                    image: old_image,
                    custom: old_custom,
                },
                Self::UpdateUser { name, image, custom },
            ) => {
                keep(name, old_name.as_ref());
                keep(image, old_image.as_ref());
                keep(custom, old_custom.as_ref());
            }
            (
                Self::UpdateMembership {
                    cid: before,
                    change: old,
                },
                Self::UpdateMembership { cid, change },
            ) if before == cid => *change = old.then(*change),
            (
                Self::SaveDraft {
                    cid: before,
                    parent: old_parent,
                    device: old_device,
                    replaces: old,
                    ..
                },
                Self::SaveDraft {
                    cid,
                    parent,
                    device,
                    replaces,
                    ..
                },
            ) if (before, old_parent, old_device) == (cid, parent, device) => replace_too(replaces, old),
            _ => return self.merged_with_account(later),
        }
        Merge::Replace(merged)
    }

    /// What is about the account itself.
    fn merged_with_account(&self, later: &Self) -> Merge {
        let mut merged = later.clone();
        match (self, &mut merged) {
            (Self::UpdateSettings { change: old }, Self::UpdateSettings { change }) => {
                *change = old.clone().then(std::mem::take(change));
            }
            (
                Self::UpdateContact {
                    user: before,
                    change: old,
                },
                Self::UpdateContact { user, change },
            ) if before == user => *change = old.then(*change),
            (
                Self::UpdateDevice {
                    device: before,
                    change: old,
                },
                Self::UpdateDevice { device, change },
            ) if before == device && !old.is_conditional() && !change.is_conditional() => {
                *change = old.clone().then(std::mem::take(change));
            }
            // A name is taken once, by the first that has one.
            (
                Self::RegisterDevice {
                    device: before,
                    name: old,
                    ..
                },
                Self::RegisterDevice { device, name, .. },
            ) if before == device => {
                if !old.is_empty() {
                    name.clone_from(old);
                }
            }
            _ => return Merge::Keep,
        }
        Merge::Replace(merged)
    }

    /// Returns whether it makes no difference which of the two, of one lane, the server hears of first.
    ///
    /// The order of two messages does. Whatever decides who may do what, or whether a channel or a message is there, makes
    /// a difference to everything after it.
    #[must_use]
    pub fn commutes_with(&self, other: &Self) -> bool {
        let both_send = matches!(
            (self, other),
            (Self::SendMessage { .. }, Self::SendMessage { .. })
        );
        !both_send
            && !self.is_about_access()
            && !other.is_about_access()
            && !self.depends_on(other)
            && !other.depends_on(self)
            && !self.deletes_what_is_named_by(other)
            && !other.deletes_what_is_named_by(self)
            && !self.reads_where_replied(other)
            && !other.reads_where_replied(self)
            && !self.decides_where_written(other)
            && !other.decides_where_written(self)
            && !self.is_of_the_device_of(other)
            && self.merged_with(other) == Merge::Keep
    }

    const fn is_about_access(&self) -> bool {
        matches!(
            self,
            Self::CreateChannel { .. }
                | Self::AddMembers { .. }
                | Self::RemoveMembers { .. }
                | Self::InviteMembers { .. }
                | Self::AnswerInvite { .. }
        )
    }

    fn deletes_what_is_named_by(&self, other: &Self) -> bool {
        matches!(self, Self::DeleteMessage { id, .. } if other.names(*id))
    }

    /// A reply moves the read position of its thread, in the epoch that it finds.
    fn reads_where_replied(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::MarkRead { thread: Some(thread), .. }, Self::SendMessage { parent: Some(parent), .. })
                if thread == parent
        )
    }

    /// Writing allows the channel if nothing else was decided of it.
    fn decides_where_written(&self, other: &Self) -> bool {
        matches!(self, Self::UpdateMembership { change, .. } if change.consent.is_some())
            && matches!(other, Self::SendMessage { .. })
    }

    /// What becomes of a device depends on everything that was said of it before.
    fn is_of_the_device_of(&self, other: &Self) -> bool {
        self.device().is_some() && self.device() == other.device()
    }

    const fn device(&self) -> Option<DeviceId> {
        match self {
            Self::RegisterDevice { device, .. }
            | Self::UpdateDevice { device, .. }
            | Self::RevokeDevice { device }
            | Self::RequestDeviceSync { device, .. }
            | Self::OfferDeviceSync { device, .. }
            | Self::EndDeviceSync { device, .. } => Some(*device),
            _ => None,
        }
    }

    /// Returns whether there is nothing left to do for this operation once `deletion` deletes the message that it is about.
    #[must_use]
    pub fn ends_with(&self, deletion: &Self) -> bool {
        matches!(deletion, Self::DeleteMessage { id, .. } if self.message() == Some(*id))
            && !matches!(self, Self::DeleteMessage { .. })
    }

    /// Returns whether the operation makes, changes or refers to a message.
    fn names(&self, id: MessageId) -> bool {
        self.message() == Some(id) || self.needs_messages().any(|needed| needed == id)
    }
}

fn keep<T: Clone>(field: &mut Option<T>, before: Option<&T>) {
    if field.is_none() {
        *field = before.cloned();
    }
}

/// Of a slot that both have seen, the later one has seen the later version. What is over the limit stays beside: nothing is
/// lost by that.
fn replace_too(replaces: &mut Vec<DraftSeen>, earlier: &[DraftSeen]) {
    for seen in earlier {
        let is_new = !replaces.iter().any(|known| known.device == seen.device);
        if is_new && replaces.len() < limits::DRAFTS_REPLACED {
            replaces.push(*seen);
        }
    }
}
