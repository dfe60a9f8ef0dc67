use crate::{
    ChannelId, DeviceId, Invalid, MessageBody, MessageId, Timestamp, UserId, limits, op::check_number,
};
use serde::{Deserialize, Serialize};

/// What one device of a user has written and not sent, in a channel or in one of its threads.
///
/// Each device has its own slot. Saving empties the slots of the others that it has seen, and leaves those that it has not: what
/// two devices write at the same time stands side by side, until a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Whose: always the owner of the stream.
    pub user: UserId,
    /// For which channel.
    pub cid: ChannelId,
    /// For which thread, by the message that began it. Absent: for the channel's timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Written on which device.
    pub device: DeviceId,
    /// What. Absent: sent, given up, or taken over by another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<DraftContent>,
    /// When the server accepted the last change.
    pub updated_at: Timestamp,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// A message that is being written. It may be empty where a message may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftContent {
    /// What it says so far, within the limits of a message.
    #[serde(default)]
    pub body: MessageBody,
    /// The message that it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<MessageId>,
    /// Whether the reply is to stand in the channel too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show_in_channel: bool,
    /// Whether it is to be silent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// Which version of another device's draft was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftSeen {
    /// Whose slot.
    pub device: DeviceId,
    /// The slot's version.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

impl DraftContent {
    /// Creates a draft of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: MessageBody::text(text),
            ..Self::default()
        }
    }
}

/// Checks what an operation says of a draft.
pub(crate) fn check(content: Option<&DraftContent>, replaces: &[DraftSeen]) -> Result<(), Invalid> {
    if replaces.len() > limits::DRAFTS_REPLACED {
        return Err(Invalid::too_large(
            "replaces",
            replaces.len(),
            limits::DRAFTS_REPLACED,
            "drafts",
        ));
    }
    for seen in replaces {
        check_number("ver", seen.ver)?;
    }
    content.map_or(Ok(()), |content| content.body.check_limits())
}
