use crate::{ChannelId, Custom, Invalid, MessageId, Timestamp, UserId, ids, limits, op::check_number};
use serde::{Deserialize, Serialize};

/// The part of a message that its author can edit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBody {
    /// The text, at most [`limits::TEXT_CHARS`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the custom data is, for an app that knows: a word of its own like `location`, of the letters of a channel id. The text
    /// is what every other app shows, so there has to be one. Empty: a text like any other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// Users who are mentioned, at most [`limits::MENTIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether every member is mentioned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention_channel: bool,
    /// Whether those who are there now are mentioned. It counts like [`mention_channel`](Self::mention_channel); only who is
    /// notified differs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention_here: bool,
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

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Its author.
    #[default]
    Regular,
    /// The channel, through an owner: that something happened. To be shown as a note, not as speech.
    System,
}

impl MessageKind {
    /// Returns whether it is the usual kind, which the wire leaves out.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        *self == Self::Regular
    }
}

/// That a message is pinned in its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// By whom, the last time.
    pub by: UserId,
    /// When the server accepted that.
    pub at: Timestamp,
    /// Until when it is to be shown as pinned. Absent: until it is unpinned. The row does not change when that time comes:
    /// see [`Message::is_pinned`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a message knows of the thread that it began. The server changes it with every reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadSummary {
    /// Replies that are not deleted.
    pub replies: u32,
    /// The newest reply's place in the channel, deleted or not.
    #[serde(deserialize_with = "crate::number::exact")]
    pub last_seq: u64,
    /// When the server accepted that reply.
    pub last_at: Timestamp,
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
    /// Who speaks.
    #[serde(default, skip_serializing_if = "MessageKind::is_regular")]
    pub kind: MessageKind,
    /// Whether nobody is to be disturbed by it: it never counts as unread.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
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
    /// That it is pinned. A deleted message is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// The thread that it began. Absent: nobody ever replied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadSummary>,
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

    /// Returns whether the message is pinned at `now`.
    #[must_use]
    pub fn is_pinned(&self, now: Timestamp) -> bool {
        self.pinned
            .as_ref()
            .is_some_and(|pin| pin.until.is_none_or(|until| until > now))
    }

    /// Returns whether the message counts as unread for `user` when it is past the user's read position in the channel: an
    /// own one, a deleted one, a silent one, and one that stands only in a thread does not.
    #[must_use]
    pub fn counts_as_unread_for(&self, user: &UserId) -> bool {
        self.is_news_for(user) && self.is_in_channel()
    }

    /// Returns whether the message counts as unread for `user` when it is past the user's read position in its thread: a reply
    /// does that is not an own, a deleted or a silent one.
    #[must_use]
    pub fn counts_as_unread_reply_for(&self, user: &UserId) -> bool {
        self.is_news_for(user) && self.parent.is_some()
    }

    fn is_news_for(&self, user: &UserId) -> bool {
        self.author != *user && !self.is_deleted() && !self.silent
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

    /// Returns whether `user`, a member, is mentioned, by name or with everyone.
    #[must_use]
    pub fn mentions(&self, user: &UserId) -> bool {
        self.mention_channel || self.mention_here || self.mentions.contains(user)
    }

    /// Returns whether there is nothing that could be sent: no text but spaces, no attachment, no custom data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.attachments.is_empty() && self.custom.is_empty()
    }

    /// Checks that there is something to send, and every limit.
    ///
    /// # Errors
    /// [`Invalid`] for an empty body and for anything over its limit.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.is_empty() {
            return Err(Invalid::new(
                "text",
                "must not be empty without attachments or custom data",
            ));
        }
        if !self.content_type.is_empty() && self.text.trim().is_empty() {
            return Err(Invalid::new(
                "text",
                "must not be empty with a content type: it is what apps show that do not know the type",
            ));
        }
        self.check_limits()
    }

    /// Checks every limit. Empty is within them.
    ///
    /// # Errors
    /// [`Invalid`] for anything over its limit.
    pub fn check_limits(&self) -> Result<(), Invalid> {
        if !self.content_type.is_empty() {
            ids::check_word("content_type", &self.content_type)?;
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
