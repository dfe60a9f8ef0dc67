//! Who types.

use super::Channel;
use crate::{Error, Watch, command::Command};
use whimbrel_model::{MessageId, UserId};

impl Channel {
    /// Says that the user presses a key in the channel's composer. Call it at every one.
    ///
    /// The others are told at most once in 2 s, and that it is over after 5 s without a key, when a message is sent there, or
    /// when the connection ends. Nothing is stored, and with no network it does nothing: typing is worth nothing later.
    /// In a channel of more than 100 members nobody is told.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn typing(&self) -> Result<(), Error> {
        self.say_typing(None, true).await
    }

    /// Says that the user presses a key in the composer of a thread, as [`Channel::typing`] does.
    ///
    /// # Errors
    /// As [`Channel::typing`].
    pub async fn thread_typing(&self, parent: MessageId) -> Result<(), Error> {
        self.say_typing(Some(parent), true).await
    }

    /// Says that the user types no longer in the channel, or in the thread of `parent`: the composer is empty, or closed.
    ///
    /// # Errors
    /// As [`Channel::typing`].
    pub async fn stop_typing(&self, parent: Option<MessageId>) -> Result<(), Error> {
        self.say_typing(parent, false).await
    }

    /// Returns a reader of who else types in the channel, or in the thread of `parent`: sorted, now and as it changes. A slow
    /// reader gets the latest.
    ///
    /// Who is not heard of for 7 s is gone from it, and without a connection all are.
    pub fn watch_typing(&self, parent: Option<MessageId>) -> Watch<Vec<UserId>> {
        let state = &self.client.inner().state;
        state.subscribe_typing(self.cid.clone(), parent)
    }

    async fn say_typing(&self, parent: Option<MessageId>, on: bool) -> Result<(), Error> {
        let cid = self.cid.clone();
        self.client
            .commands()
            .tell(Command::Typing { cid, parent, on })
            .await
    }
}
