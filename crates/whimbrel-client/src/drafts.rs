//! What was written and not sent.

use crate::{Channel, Client, Error, NewMessage, Queued, Sent, command::Command};
use whimbrel_model::{DraftContent, DraftSeen, MessageId, Op};
use whimbrel_state::{DraftView, Drafts};

/// What to keep of a message that is being written. A `&str`, a `String` and a [`DraftContent`] become one by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDraft {
    /// What it says so far. It may be empty where a message may not.
    pub content: DraftContent,
    /// For which thread. Absent: for the channel's timeline.
    pub parent: Option<MessageId>,
    /// What other devices wrote that this one takes the place of. What is not named stays beside it.
    pub replaces: Vec<DraftSeen>,
}

impl NewDraft {
    /// Creates a draft of plain text for the channel's timeline.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: DraftContent::text(text),
            ..Self::default()
        }
    }

    /// Makes it one for the thread of a message.
    #[must_use]
    pub const fn in_thread(mut self, parent: MessageId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Quotes another message above it.
    #[must_use]
    pub const fn quoting(mut self, message: MessageId) -> Self {
        self.content.quoted = Some(message);
        self
    }

    /// Goes on from what was shown, whichever device wrote it: it takes its place.
    #[must_use]
    pub fn continuing(mut self, shown: &DraftView) -> Self {
        self.replaces.extend(shown.seen());
        self
    }
}

impl From<DraftContent> for NewDraft {
    fn from(content: DraftContent) -> Self {
        Self {
            content,
            ..Self::default()
        }
    }
}

impl From<&str> for NewDraft {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for NewDraft {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl Client {
    /// Opens the drafts of the account, of all its devices: as they are on disk, at once, and every change from then on.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn drafts(&self) -> Result<Drafts, Error> {
        self.commands().ask(|reply| Command::OpenDrafts { reply }).await
    }
}

impl Channel {
    /// Keeps what is being written: on this device at once, on the account's other devices when they hear of it. The last of
    /// several that were not sent yet is all that goes out, so it may be called with every pause in the typing.
    ///
    /// A draft that another device saved and this one did not [continue](NewDraft::continuing) stays beside it.
    ///
    /// ```
    /// # async fn example(channel: &whimbrel_client::Channel) -> Result<(), whimbrel_client::Error> {
    /// channel.save_draft("See you at ei").await?;
    /// let shown = channel.draft(None).await?.expect("it was saved");
    /// channel.send_draft(&shown).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`] when a value is over its limit, the outbox is full or the write failed.
    pub async fn save_draft(&self, draft: impl Into<NewDraft>) -> Result<Queued, Error> {
        let NewDraft {
            content,
            parent,
            replaces,
        } = draft.into();
        self.put_draft(parent, Some(content), replaces).await
    }

    /// Returns the draft for the channel's timeline, or for the thread of a message.
    ///
    /// # Errors
    /// As [`Client::drafts`].
    pub async fn draft(&self, parent: Option<MessageId>) -> Result<Option<DraftView>, Error> {
        let drafts = self.client().drafts().await?;
        Ok(drafts.get(self.cid(), parent).map(|view| (*view).clone()))
    }

    /// Gives a draft up, on every device. What other devices wrote beside it stays.
    ///
    /// # Errors
    /// As [`Channel::save_draft`].
    pub async fn discard_draft(&self, shown: &DraftView) -> Result<Queued, Error> {
        let replaces = shown.seen().into_iter().collect();
        self.put_draft(shown.parent, None, replaces).await
    }

    /// Sends a draft, and gives it up. If this device stops in between, the message is queued and the draft is still there.
    ///
    /// # Errors
    /// As [`Channel::send`]; the draft is still there then.
    pub async fn send_draft(&self, shown: &DraftView) -> Result<Sent, Error> {
        let DraftContent {
            body,
            quoted,
            show_in_channel,
            silent,
        } = shown.content.clone();
        let sent = self
            .send(NewMessage {
                body,
                parent: shown.parent,
                show_in_channel,
                quoted,
                silent,
                ..NewMessage::default()
            })
            .await?;
        self.discard_draft(shown).await?;
        Ok(sent)
    }

    /// Gives up what this device wrote for a place, and what other devices wrote that is named. What is not named stays. Unlike
    /// [`Channel::discard_draft`] it needs no view of the draft.
    ///
    /// # Errors
    /// As [`Channel::save_draft`].
    pub async fn clear_draft(
        &self,
        parent: Option<MessageId>,
        replaces: Vec<DraftSeen>,
    ) -> Result<Queued, Error> {
        self.put_draft(parent, None, replaces).await
    }

    async fn put_draft(
        &self,
        parent: Option<MessageId>,
        content: Option<DraftContent>,
        replaces: Vec<DraftSeen>,
    ) -> Result<Queued, Error> {
        self.enqueue(Op::SaveDraft {
            cid: self.cid().clone(),
            parent,
            device: self.client().device(),
            content,
            replaces,
        })
        .await
    }
}
