//! How far messages have got.

use super::Channel;
use crate::{Error, command::Command};
use whimbrel_model::{Delivered, MessageId};
use whimbrel_state::MessageReceipts;

impl Channel {
    /// Opens how far each member has a message: what is on disk, at once, and every change from then on. How far an own message has
    /// got with all of them is on its row: [`TimelineItem::receipt`](crate::TimelineItem::receipt).
    ///
    /// # Errors
    /// As [`Channel::timeline`].
    pub async fn receipts(&self, message: MessageId) -> Result<MessageReceipts, Error> {
        let cid = self.cid.clone();
        self.client
            .commands()
            .ask(|reply| Command::OpenReceipts { cid, message, reply })
            .await
    }

    /// Reads from disk up to where messages have reached the members. Those who keep it to themselves are not in it.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn delivered(&self) -> Result<Vec<Delivered>, Error> {
        Ok(self.client.store().delivered(&self.cid).await?)
    }
}
