use whimbrel_model::{MessageBody, MessageId, MessageKind, UserId};

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
    /// Who speaks. A system message needs the role owner.
    pub kind: MessageKind,
    /// Whether it is never to count as unread.
    pub silent: bool,
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

    /// Mentions a user by name.
    #[must_use]
    pub fn mentioning(mut self, user: UserId) -> Self {
        self.body.mentions.push(user);
        self
    }

    /// Mentions every member.
    #[must_use]
    pub const fn mentioning_channel(mut self) -> Self {
        self.body.mention_channel = true;
        self
    }

    /// Mentions those who are there now.
    #[must_use]
    pub const fn mentioning_here(mut self) -> Self {
        self.body.mention_here = true;
        self
    }

    /// Disturbs nobody: it never counts as unread.
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Speaks for the channel: a note that something happened. Needs the role owner.
    #[must_use]
    pub const fn system(mut self) -> Self {
        self.kind = MessageKind::System;
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
