use super::SearchText;
use crate::{
    QueryError,
    error::{Pointer, Problem},
};
use std::str::FromStr;
use whimbrel_model::{ChannelId, Message, Timestamp, UserId};

/// What to look for among messages. What is not said is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// What is in their text.
    pub text: SearchText,
    /// The channels that they are in. Empty: all that the account is in.
    pub channels: Vec<ChannelId>,
    /// Who wrote them.
    pub author: Option<UserId>,
    /// The earliest time at which the server accepted them, itself included.
    pub since: Option<Timestamp>,
    /// The latest time at which the server accepted them, itself included.
    pub until: Option<Timestamp>,
    /// How many to return at most.
    pub limit: usize,
    /// The page's [`next`](SearchPage::next) after which to go on.
    pub after: Option<String>,
}

/// What was found, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// The messages, by the time at which the server accepted them, newest first.
    pub messages: Vec<Message>,
    /// Where the next page starts, for [`SearchQuery::after`], of the one who answered. Absent: this is all. A page may have
    /// less than was asked, even nothing, and others after it.
    pub next: Option<String>,
    /// How many messages were not looked at, because the index does not have them yet. They are there in a moment.
    pub unindexed: u64,
}

impl SearchQuery {
    /// Creates the search for a text, in every channel that the account is in.
    #[must_use]
    pub const fn new(text: SearchText, limit: usize) -> Self {
        Self {
            text,
            channels: Vec::new(),
            author: None,
            since: None,
            until: None,
            limit,
            after: None,
        }
    }

    /// Returns the place of [`after`](Self::after), for a store that writes its places as `T`.
    ///
    /// # Errors
    /// [`QueryError`] if it is no such place.
    pub fn place<T: FromStr>(&self) -> Result<Option<T>, QueryError> {
        let wrong = |_| Problem::invalid("it is not a place in a search: start without one");
        let place = self
            .after
            .as_deref()
            .map(|after| after.parse().map_err(wrong))
            .transpose();
        place.map_err(|problem| Pointer::default().within("after", |pointer| problem.at(pointer)))
    }

    /// Returns whether a message is what is looked for, apart from whether its channel is one that the account is in.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        let at = message.accepted_at.unwrap_or(message.composed_at);
        !message.is_deleted()
            && message.ver > 0
            && (self.channels.is_empty() || self.channels.contains(&message.cid))
            && self
                .author
                .as_ref()
                .is_none_or(|author| message.author == *author)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
            && self.text.matches(&message.body.text)
    }
}
