//! Whether the channel's changes are wanted as they happen.

use super::Channel;
use crate::{Error, command::Command};

impl Channel {
    /// Stops watching the channel, until [`Channel::watch`] or until the client is opened anew: the server sends no changes of it
    /// as they happen, which spares traffic, and what is new is not fetched but while its timeline is open. Every channel is
    /// watched at first.
    ///
    /// Nothing that is on this device goes; its freshness says that it is from disk. Sending works as ever.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn stop_watching(&self) -> Result<(), Error> {
        self.set_watched(false).await
    }

    /// Watches the channel again, and brings it up to date.
    ///
    /// # Errors
    /// As [`Channel::stop_watching`].
    pub async fn watch(&self) -> Result<(), Error> {
        self.set_watched(true).await
    }

    async fn set_watched(&self, on: bool) -> Result<(), Error> {
        let cid = self.cid.clone();
        let watch = |reply| Command::Watch { cid, on, reply };
        self.client.commands().ask(watch).await
    }
}
