use serde::{Deserialize, Serialize};
use whimbrel_model::{Code, Custom, Invalid, Op, SettingsChange, Timestamp, UserId};

/// Says whose presence is wanted on this connection. See
/// [`ClientFrame::Presence`](crate::ClientFrame::Presence).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskPresence {
    /// Names the answer.
    #[serde(deserialize_with = "whimbrel_model::number::exact")]
    pub id: u64,
    /// Whose changes are wanted from now on, at most `limits::PRESENCE_PER_FRAME`. Their state of now is in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<UserId>,
    /// Whose are not wanted any more, at most as many. They are taken away before others are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<UserId>,
    /// Whether nobody is there from now on, so that the connection does not make the user online. Absent: that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<bool>,
}

/// What a user's operations that wait will set of how the user is shown. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPresence {
    /// Whether the user looks offline to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invisible: Option<bool>,
    /// Free text beside the name, at most `limits::STATUS_CHARS`. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// App-defined data beside it, at most `limits::PRESENCE_BYTES` encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
}

impl OwnPresence {
    /// Returns whether it says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.invisible.is_none() && self.status.is_none() && self.custom.is_none()
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Invalid`] when the text or the data is too long.
    pub fn validate(&self) -> Result<(), Invalid> {
        let change = SettingsChange {
            invisible: Some(false),
            status: self.status.clone(),
            custom: self.custom.clone(),
            ..SettingsChange::default()
        };
        Op::UpdateSettings { change }.validate()
    }
}

/// See [`ServerFrame::Presence`](crate::ServerFrame::Presence).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The request that this answers. Absent: something changed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "whimbrel_model::number::exact_or_none"
    )]
    pub id: Option<u64>,
    /// How things are now: in an answer, of everyone who was added and accepted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserPresence>,
    /// Who was not accepted, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<PresenceRefused>,
}

/// How a user is shown to whom it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPresence {
    /// Who.
    pub user: UserId,
    /// Whether any of the user's connections lives, and the user lets it be seen.
    pub online: bool,
    /// When the user was last seen to connect or be connected, to about a quarter of an hour. Absent: the server does not
    /// know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
    /// Free text of the user. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// App-defined data of the user.
    #[serde(default, skip_serializing_if = "Custom::is_empty")]
    pub custom: Custom,
    /// Whether the user looks offline to others. Only ever set in what a user is told of themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invisible: bool,
}

/// A user whose presence is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceRefused {
    /// Who.
    pub user: UserId,
    /// The stable code.
    pub code: Code,
    /// Why, in words.
    pub message: String,
}
