use whimbrel_model::{MessageBody, MessageId};

/// A message to send. A `&str`, a `String` and a [`MessageBody`] become one by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// What it says.
    pub body: MessageBody,
    /// The message that it replies to in a thread.
    pub parent: Option<MessageId>,
    /// Whether a reply stands in the channel too.
    pub show_in_channel: bool,
    /// The message that it quotes.
    pub quoted: Option<MessageId>,
}

impl NewMessage {
    /// Creates a message of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: MessageBody::text(text),
            ..Self::default()
        }
    }

    /// Quotes another message above this one.
    #[must_use]
    pub const fn quoting(mut self, message: MessageId) -> Self {
        self.quoted = Some(message);
        self
    }

    /// Shows a reply in the channel too.
    #[must_use]
    pub const fn shown_in_channel(mut self) -> Self {
        self.show_in_channel = true;
        self
    }
}

impl From<MessageBody> for NewMessage {
    fn from(body: MessageBody) -> Self {
        Self {
            body,
            ..Self::default()
        }
    }
}

impl From<&str> for NewMessage {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for NewMessage {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
