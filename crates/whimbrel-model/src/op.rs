mod check;

pub(crate) use check::check_number;

use crate::{
    ChannelId, ContactChange, Custom, DeviceChange, DeviceId, DraftContent, DraftSeen, MembershipChange,
    MessageBody, MessageId, MessageKind, OpId, ReactionType, ReadPosition, SettingsChange, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Every mutation there is. One outbox holds them, one server path applies them.
///
/// On the wire an object with one key that names the kind: `{"send_message": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Creates a channel; the maker becomes its owner.
    ///
    /// Creating a [distinct](ChannelId::distinct) channel that is there changes nothing but that the maker, if gone, is in
    /// again: it is the channel that was meant.
    CreateChannel {
        /// The new channel's id.
        cid: ChannelId,
        /// Display name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Address of a picture.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        image: String,
        /// App-defined data.
        #[serde(default, skip_serializing_if = "Custom::is_empty")]
        custom: Custom,
        /// Members besides the maker.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        members: Vec<UserId>,
    },
    /// Replaces the fields that are given, field by field; the last in server order wins.
    UpdateChannel {
        /// Which channel.
        cid: ChannelId,
        /// New display name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// New picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// New app-defined data, as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Custom>,
    },
    /// Adds members. Who is a member already stays as they are.
    AddMembers {
        /// To which channel.
        cid: ChannelId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Removes members; oneself: leaves.
    RemoveMembers {
        /// From which channel.
        cid: ChannelId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Asks users to come in. Who is in or asked already stays as they are.
    InviteMembers {
        /// To which channel.
        cid: ChannelId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Answers an own invitation. Without one nothing happens.
    AnswerInvite {
        /// To which channel.
        cid: ChannelId,
        /// Whether the user comes in.
        accept: bool,
    },
    /// Sends a message.
    SendMessage {
        /// To which channel.
        cid: ChannelId,
        /// The new message's id.
        id: MessageId,
        /// What it says.
        body: MessageBody,
        /// The message that it replies to in a thread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<MessageId>,
        /// Whether a reply stands in the channel too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        show_in_channel: bool,
        /// The message that it quotes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quoted: Option<MessageId>,
        /// Who speaks. A system message needs an owner.
        #[serde(default, skip_serializing_if = "MessageKind::is_regular")]
        kind: MessageKind,
        /// Whether it is never to count as unread.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        silent: bool,
    },
    /// Replaces the body of an own message. The last in server order wins; on a deleted message nothing happens.
    EditMessage {
        /// In which channel.
        cid: ChannelId,
        /// Which message.
        id: MessageId,
        /// The new body.
        body: MessageBody,
        /// The revision that the author saw.
        base_revision: u32,
    },
    /// Deletes a message for everyone. Terminal.
    DeleteMessage {
        /// In which channel.
        cid: ChannelId,
        /// Which message.
        id: MessageId,
    },
    /// Pins a message in its channel, or pins it anew. On a deleted message nothing happens.
    PinMessage {
        /// In which channel.
        cid: ChannelId,
        /// Which message.
        id: MessageId,
        /// Until when. Absent: until it is unpinned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Unpins a message. On one that is not pinned nothing happens.
    UnpinMessage {
        /// In which channel.
        cid: ChannelId,
        /// Which message.
        id: MessageId,
    },
    /// Adds an own reaction.
    AddReaction {
        /// In which channel.
        cid: ChannelId,
        /// To which message.
        message: MessageId,
        /// Which reaction.
        kind: ReactionType,
    },
    /// Takes an own reaction back.
    RemoveReaction {
        /// In which channel.
        cid: ChannelId,
        /// From which message.
        message: MessageId,
        /// Which reaction.
        kind: ReactionType,
    },
    /// Moves the own read register to a position; one that is not further changes nothing. In the next epoch a lower `seq`
    /// is further too: that marks what comes after it as unread. See [`ReadPosition`].
    MarkRead {
        /// In which channel.
        cid: ChannelId,
        /// In which thread, by the message that began it. Absent: in the channel's timeline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<MessageId>,
        /// Generation of the register, at most [`limits::READ_EPOCHS_AHEAD`] after the one that the server has.
        #[serde(default)]
        epoch: u32,
        /// The last message read.
        #[serde(deserialize_with = "crate::number::exact")]
        seq: u64,
    },
    /// Says how far a device of the user has the channel on its disk. The greatest holds, for each device.
    ///
    /// It is no operation that waits: a device says it again whenever the register is behind. So the server keeps no result of it,
    /// and no `after` can name it.
    MarkDelivered {
        /// Which channel.
        cid: ChannelId,
        /// Which device.
        device: DeviceId,
        /// The last message that it has.
        #[serde(deserialize_with = "crate::number::exact")]
        seq: u64,
    },
    /// Changes how the user keeps a channel: pinned, archived, hidden, muted, allowed. Nobody else sees it; the last in server order wins,
    /// each by itself.
    UpdateMembership {
        /// Which channel.
        cid: ChannelId,
        /// What is to change.
        change: MembershipChange,
    },
    /// Replaces the draft of this device, for a channel or for one of its threads, and empties those of other devices that were
    /// seen and did not change since. What is not named stays beside.
    SaveDraft {
        /// For which channel.
        cid: ChannelId,
        /// For which thread, by the message that began it. It need not have reached the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<MessageId>,
        /// Which device writes.
        device: DeviceId,
        /// What it has written. Absent: nothing any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<DraftContent>,
        /// Which other slots this one replaces.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<DraftSeen>,
    },
    /// Changes the account's settings; the last in server order wins, each by itself.
    UpdateSettings {
        /// What is to change.
        change: SettingsChange,
    },
    /// Changes what the account holds of somebody else; the last in server order wins, each by itself.
    UpdateContact {
        /// About whom.
        user: UserId,
        /// What is to change.
        change: ContactChange,
    },
    /// Makes a device known to the account, or what it says of itself.
    RegisterDevice {
        /// Which device.
        device: DeviceId,
        /// What it is called, unless it has a name already.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Name and version of its software.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        agent: String,
        /// Public key that other devices encrypt to for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Changes a device of the account.
    UpdateDevice {
        /// Which device.
        device: DeviceId,
        /// What is to change.
        change: DeviceChange,
    },
    /// Shuts a device of the account out, for good.
    RevokeDevice {
        /// Which device.
        device: DeviceId,
    },
    /// Asks the account's other devices for what only devices have.
    RequestDeviceSync {
        /// Which device asks.
        device: DeviceId,
        /// The request.
        request: Uuid,
        /// Public key to encrypt the answer to.
        key: String,
    },
    /// Says that an answer to a request is at the server. The first one holds.
    OfferDeviceSync {
        /// Which device asked.
        device: DeviceId,
        /// The request.
        request: Uuid,
        /// Which device answers.
        by: DeviceId,
        /// How long the answer is, encrypted.
        #[serde(deserialize_with = "crate::number::exact")]
        bytes: u64,
        /// SHA-256 of the encrypted answer, in hexadecimal.
        sha256: String,
    },
    /// Ends a request: the answer was taken, or none is wanted any more.
    EndDeviceSync {
        /// Which device asked.
        device: DeviceId,
        /// The request.
        request: Uuid,
    },
    /// Replaces the fields of the own profile that are given.
    UpdateUser {
        /// New display name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// New picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// New app-defined data, as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Custom>,
    },
}

/// A queue within the outbox: its operations reach the server in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// What concerns no channel.
    Account,
    /// What concerns one channel.
    Channel(ChannelId),
}

/// An operation on its way: what is sent, stored and sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpEnvelope {
    /// Its identity: the server acts on it at most once, and answers every repeat alike.
    pub id: OpId,
    /// What to do.
    pub op: Op,
    /// When it was made, by the author's clock.
    pub composed_at: Timestamp,
    /// The operation before it in its lane that this device has no answer for yet. The server refuses this one with
    /// `out_of_order` until it has answered that one. Not part of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<OpId>,
}

impl OpEnvelope {
    /// Returns the SHA-256 of the content: what must be equal in every repeat.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let content = serde_json::to_vec(&(self.composed_at, &self.op)).unwrap_or_default();
        Sha256::digest(content).into()
    }
}

impl Op {
    /// Returns the channel that the operation concerns.
    #[must_use]
    pub fn cid(&self) -> Option<&ChannelId> {
        match self {
            Self::CreateChannel { cid, .. }
            | Self::UpdateChannel { cid, .. }
            | Self::AddMembers { cid, .. }
            | Self::RemoveMembers { cid, .. }
            | Self::InviteMembers { cid, .. }
            | Self::AnswerInvite { cid, .. }
            | Self::MarkDelivered { cid, .. }
            | Self::SendMessage { cid, .. }
            | Self::EditMessage { cid, .. }
            | Self::DeleteMessage { cid, .. }
            | Self::PinMessage { cid, .. }
            | Self::UnpinMessage { cid, .. }
            | Self::AddReaction { cid, .. }
            | Self::RemoveReaction { cid, .. }
            | Self::MarkRead { cid, .. }
            | Self::UpdateMembership { cid, .. }
            | Self::SaveDraft { cid, .. } => Some(cid),
            Self::UpdateSettings { .. }
            | Self::UpdateContact { .. }
            | Self::RegisterDevice { .. }
            | Self::UpdateDevice { .. }
            | Self::RevokeDevice { .. }
            | Self::RequestDeviceSync { .. }
            | Self::OfferDeviceSync { .. }
            | Self::EndDeviceSync { .. }
            | Self::UpdateUser { .. } => None,
        }
    }

    /// Returns where the operation moves the read register to, if it does.
    #[must_use]
    pub const fn read_position(&self) -> Option<ReadPosition> {
        match self {
            Self::MarkRead { epoch, seq, .. } => Some(ReadPosition {
                epoch: *epoch,
                seq: *seq,
            }),
            _ => None,
        }
    }

    /// Returns the thread whose read register the operation moves, by the message that began it.
    #[must_use]
    pub const fn read_thread(&self) -> Option<MessageId> {
        match self {
            Self::MarkRead { thread, .. } => *thread,
            _ => None,
        }
    }

    /// Returns the lane that keeps its order.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.cid().map_or(Lane::Account, |cid| Lane::Channel(cid.clone()))
    }

    /// Returns the message that the operation makes or changes.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::SendMessage { id, .. }
            | Self::EditMessage { id, .. }
            | Self::DeleteMessage { id, .. }
            | Self::PinMessage { id, .. }
            | Self::UnpinMessage { id, .. } => Some(*id),
            Self::AddReaction { message, .. } | Self::RemoveReaction { message, .. } => Some(*message),
            _ => None,
        }
    }

    /// Returns the messages that must exist on the server before this operation can be accepted.
    pub fn needs_messages(&self) -> impl Iterator<Item = MessageId> {
        let needs = match self {
            Self::SendMessage { parent, quoted, .. } => [*parent, *quoted],
            Self::EditMessage { id, .. }
            | Self::DeleteMessage { id, .. }
            | Self::PinMessage { id, .. }
            | Self::UnpinMessage { id, .. } => [Some(*id), None],
            Self::MarkRead { thread, .. } => [*thread, None],
            Self::AddReaction { message, .. } | Self::RemoveReaction { message, .. } => {
                [Some(*message), None]
            }
            _ => [None, None],
        };
        needs.into_iter().flatten()
    }

    /// Returns whether this operation can only be accepted after `earlier`, an operation made before it.
    #[must_use]
    pub fn depends_on(&self, earlier: &Self) -> bool {
        match earlier {
            Self::CreateChannel { cid, .. } => self.cid() == Some(cid),
            Self::SendMessage { id, .. } => self.needs_messages().any(|needed| needed == *id),
            _ => false,
        }
    }

    /// Returns whether it may be repeated however long ago it may have acted: what it made is its own record, or all it
    /// says is how things end up.
    #[must_use]
    pub const fn is_its_own_record(&self) -> bool {
        matches!(
            self,
            Self::CreateChannel { .. }
                | Self::SendMessage { .. }
                | Self::DeleteMessage { .. }
                | Self::MarkRead { .. }
                | Self::MarkDelivered { .. }
                | Self::RevokeDevice { .. }
        )
    }

    /// Returns whether the server keeps no result of it, as a repeat changes nothing.
    #[must_use]
    pub const fn leaves_no_result(&self) -> bool {
        matches!(self, Self::MarkDelivered { .. })
    }

    /// Returns the operation's name, as on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateChannel { .. } => "create_channel",
            Self::UpdateChannel { .. } => "update_channel",
            Self::AddMembers { .. } => "add_members",
            Self::RemoveMembers { .. } => "remove_members",
            Self::InviteMembers { .. } => "invite_members",
            Self::AnswerInvite { .. } => "answer_invite",
            Self::SendMessage { .. } => "send_message",
            Self::EditMessage { .. } => "edit_message",
            Self::DeleteMessage { .. } => "delete_message",
            Self::PinMessage { .. } => "pin_message",
            Self::UnpinMessage { .. } => "unpin_message",
            Self::AddReaction { .. } => "add_reaction",
            Self::RemoveReaction { .. } => "remove_reaction",
            Self::MarkRead { .. } => "mark_read",
            Self::MarkDelivered { .. } => "mark_delivered",
            Self::UpdateMembership { .. } => "update_membership",
            Self::SaveDraft { .. } => "save_draft",
            Self::UpdateSettings { .. } => "update_settings",
            Self::UpdateContact { .. } => "update_contact",
            Self::RegisterDevice { .. } => "register_device",
            Self::UpdateDevice { .. } => "update_device",
            Self::RevokeDevice { .. } => "revoke_device",
            Self::RequestDeviceSync { .. } => "request_device_sync",
            Self::OfferDeviceSync { .. } => "offer_device_sync",
            Self::EndDeviceSync { .. } => "end_device_sync",
            Self::UpdateUser { .. } => "update_user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use uuid::Uuid;

    fn envelope(text: &str) -> OpEnvelope {
        let op = Op::SendMessage {
            cid: ChannelId::new("messaging:general").unwrap(),
            id: MessageId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
            body: text.into(),
            parent: None,
            show_in_channel: false,
            quoted: None,
            kind: MessageKind::Regular,
            silent: false,
        };
        let id = OpId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
        OpEnvelope {
            id,
            op,
            composed_at: Timestamp(1),
            after: None,
        }
    }

    #[test]
    fn the_digest_covers_the_content_and_not_the_way() {
        let first = envelope("hello");
        let again = OpEnvelope {
            after: Some(first.id),
            ..first.clone()
        };
        assert_eq!(first.digest(), again.digest());
        assert_ne!(first.digest(), envelope("hullo").digest());
    }

    #[test]
    fn a_text_over_the_limit_is_refused_with_both_numbers() {
        let long = "x".repeat(limits::TEXT_CHARS + 1);
        let error = envelope(&long).op.validate().unwrap_err();
        assert_eq!(error.code().as_str(), "too_large");
        assert_eq!(error.to_string(), "text has 5001 characters, the limit is 5000");
        assert!(envelope(&"é".repeat(limits::TEXT_CHARS)).op.validate().is_ok());
    }

    #[test]
    fn an_operation_depends_on_what_made_its_target() {
        let send = envelope("hello").op;
        let create = Op::CreateChannel {
            cid: ChannelId::new("messaging:general").unwrap(),
            name: String::new(),
            image: String::new(),
            custom: Custom::default(),
            members: Vec::new(),
        };
        assert!(send.depends_on(&create));
        assert!(!create.depends_on(&send));
        assert!(!send.depends_on(&send.clone()));
    }
}
