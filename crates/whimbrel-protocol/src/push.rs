use serde::{Deserialize, Serialize};
use std::fmt;
use whimbrel_model::{ChannelId, MessageId, UserId};

/// What a push notification carries: that there is something to fetch, and where. No content, so that nobody on the way reads
/// any.
///
/// One JSON object of at most a few hundred bytes, to be carried as it is, or as text where a service takes only text. It is a hint:
/// losing, repeating or reordering pushes changes no state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushPayload {
    /// Whose device it is for: a device may have more than one account, or another one by now.
    pub user: UserId,
    /// What happened.
    pub kind: PushKind,
    /// In which channel.
    pub cid: ChannelId,
    /// Which message. Absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The message's sequence; of [`PushKind::Read`] that of the last one that is read. 0: not known.
    #[serde(default, deserialize_with = "whimbrel_model::number::exact")]
    pub seq: u64,
}

/// What a push notification tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum PushKind {
    /// Somebody else wrote a message.
    Message,
    /// The user read on another device: what was shown of the channel up to there is to be taken away.
    Read,
    /// Something that this version does not know: there is something to fetch.
    Other(String),
}

impl PushKind {
    /// Returns the word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Message => "message",
            Self::Read => "read",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for PushKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "message" => Self::Message,
            "read" => Self::Read,
            _ => Self::Other(word),
        }
    }
}

impl From<PushKind> for String {
    fn from(kind: PushKind) -> Self {
        match kind {
            PushKind::Other(word) => word,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for PushKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
