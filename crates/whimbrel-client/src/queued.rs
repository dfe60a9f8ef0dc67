use crate::SettleError;
use tokio::sync::oneshot;
use whimbrel_model::{MessageId, OpId, Rejection};

pub(crate) type Settled = Result<(), Rejection>;

/// An operation that is durable on this device: it survives a crash, a reboot and power loss, and goes out by itself.
///
/// Dropping it changes nothing.
#[derive(Debug)]
pub struct Queued {
    op: OpId,
    settled: oneshot::Receiver<Settled>,
}

impl Queued {
    pub(crate) const fn new(op: OpId, settled: oneshot::Receiver<Settled>) -> Self {
        Self { op, settled }
    }

    /// Returns the operation's id. It is in the outbox under it, unless it went up in an earlier one that was never sent:
    /// an edit of an unsent message changes what will be sent.
    #[must_use]
    pub const fn op(&self) -> OpId {
        self.op
    }

    /// Waits until the server has decided. Offline that can take for ever; nothing else depends on it.
    ///
    /// An operation that went up in an earlier one is decided with that one. One that a later one made needless before it
    /// was sent, as a message that is deleted again, is settled without an error, and so is the later one.
    ///
    /// # Errors
    /// [`SettleError`] when it was rejected, or when the client was closed first.
    pub async fn settled(self) -> Result<(), SettleError> {
        match self.settled.await {
            Ok(outcome) => outcome.map_err(SettleError::Rejected),
            Err(_) => Err(SettleError::Closed),
        }
    }
}

/// A message that is durable on this device.
#[derive(Debug)]
pub struct Sent {
    /// The message's id, for ever.
    pub id: MessageId,
    pub(crate) queued: Queued,
}

impl Sent {
    /// Returns the operation's id in the outbox.
    #[must_use]
    pub const fn op(&self) -> OpId {
        self.queued.op
    }

    /// Waits until the server has decided. See [`Queued::settled`].
    ///
    /// # Errors
    /// [`SettleError`] when it was rejected, or when the client was closed first.
    pub async fn settled(self) -> Result<(), SettleError> {
        self.queued.settled().await
    }
}
