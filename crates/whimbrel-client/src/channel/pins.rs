//! Pinned messages.

use super::Channel;
use crate::{Error, Queued, command::Command};
use whimbrel_model::{MessageId, Op, Timestamp};
use whimbrel_state::Pins;

impl Channel {
    /// Pins a message for everyone in the channel, until a time or until it is unpinned. Any member may.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn pin_message(&self, id: MessageId, until: Option<Timestamp>) -> Result<Queued, Error> {
        let cid = self.cid.clone();
        self.enqueue(Op::PinMessage { cid, id, until }).await
    }

    /// Opens the pinned messages of the channel, the last pinned first: those that are on this device, at once, and every change
    /// from then on. Waiting pins are in it; a pin whose time is over is not.
    ///
    /// # Errors
    /// As [`Channel::timeline`].
    pub async fn pins(&self) -> Result<Pins, Error> {
        let cid = self.cid.clone();
        self.client
            .commands()
            .ask(|reply| Command::OpenPins { cid, reply })
            .await
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
