use crate::{ChannelId, Custom, Invalid, MessageId, Timestamp, UserId, limits, op::check_number};
use serde::{Deserialize, Serialize};

/// The part of a message that its author can edit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBody {
    /// The text, at most [`limits::TEXT_CHARS`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Users who are mentioned, at most [`limits::MENTIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Files that belong to the message, as metadata; at most [`limits::ATTACHMENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// App-defined data.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
}

/// A file of a message: what it is and where its bytes are. The bytes themselves are not part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What to do with it: `image`, `file`, `audio`, `video`, or the app's own word.
    pub kind: String,
    /// Where its bytes are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What to call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// MIME type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mime: String,
    /// Bytes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::exact_or_none"
    )]
    pub size: Option<u64>,
    /// App-defined data.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
}

/// A message as the server stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its identity, made on the author's device.
    pub id: MessageId,
    /// Where.
    pub cid: ChannelId,
    /// By whom.
    pub author: UserId,
    /// Place in the channel, dense from 1, given by the server once and for ever. 0: not accepted yet.
    #[serde(deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// Version of the last change. 0: not accepted yet.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
    /// What it says. Empty after a deletion.
    #[serde(default)]
    pub body: MessageBody,
    /// The message that this one replies to in a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Whether a reply stands in the channel too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show_in_channel: bool,
    /// The message that is quoted above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<MessageId>,
    /// When it was written, by the author's clock. For display.
    pub composed_at: Timestamp,
    /// When the server accepted it. Absent: not accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When the server accepted the last edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// Number of accepted edits: the base revision that an edit names.
    #[serde(default)]
    pub revision: u32,
    /// When the server accepted the deletion. Deletion is terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Message {
    /// Returns whether the message stands in the channel's timeline, and not only in a thread.
    #[must_use]
    pub fn is_in_channel(&self) -> bool {
        self.parent.is_none() || self.show_in_channel
    }

    /// Returns whether the message was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// Returns whether the message counts as unread for `user` when it is past the user's read position: an own one, a
    /// deleted one, and one that stands only in a thread does not.
    #[must_use]
    pub fn counts_as_unread_for(&self, user: &UserId) -> bool {
        self.author != *user && !self.is_deleted() && self.is_in_channel()
    }
}

impl MessageBody {
    /// Creates a body of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// [`Invalid`] for an empty body and for anything over its limit.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.text.trim().is_empty() && self.attachments.is_empty() && self.custom.is_empty() {
            return Err(Invalid::new(
                "text",
                "must not be empty without attachments or custom data",
            ));
        }
        let chars = self.text.chars().count();
        if chars > limits::TEXT_CHARS {
            return Err(Invalid::too_large(
                "text",
                chars,
                limits::TEXT_CHARS,
                "characters",
            ));
        }
        if self.mentions.len() > limits::MENTIONS {
            return Err(Invalid::too_large(
                "mentions",
                self.mentions.len(),
                limits::MENTIONS,
                "users",
            ));
        }
        self.validate_attachments()?;
        self.custom.validate("custom")
    }

    fn validate_attachments(&self) -> Result<(), Invalid> {
        let files = &self.attachments;
        if files.is_empty() {
            return Ok(());
        }
        if files.len() > limits::ATTACHMENTS {
            return Err(Invalid::too_large(
                "attachments",
                files.len(),
                limits::ATTACHMENTS,
                "files",
            ));
        }
        for file in files {
            check_number("size", file.size.unwrap_or(0))?;
            file.custom.check_depth("attachments")?;
        }
        let size = serde_json::to_vec(files).map_or(usize::MAX, |bytes| bytes.len());
        if size > limits::ATTACHMENTS_BYTES {
            return Err(Invalid::too_large(
                "attachments",
                size,
                limits::ATTACHMENTS_BYTES,
                "bytes",
            ));
        }
        Ok(())
    }
}

impl From<&str> for MessageBody {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for MessageBody {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
