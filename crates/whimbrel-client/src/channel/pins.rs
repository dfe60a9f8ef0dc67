//! Pinned messages.

use super::Channel;
use crate::{Error, Queued};
use whimbrel_model::{MessageId, Op, Timestamp};

impl Channel {
    /// Pins a message for everyone in the channel, until a time or until it is unpinned. Any member may.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn pin_message(&self, id: MessageId, until: Option<Timestamp>) -> Result<Queued, Error> {
        let cid = self.cid.clone();
        self.enqueue(Op::PinMessage { cid, id, until }).await
    }

    /// Unpins a message.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn unpin_message(&self, id: MessageId) -> Result<Queued, Error> {
        let cid = self.cid.clone();
        self.enqueue(Op::UnpinMessage { cid, id }).await
    }
}
