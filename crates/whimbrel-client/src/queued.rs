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

    /// Returns the operation's id in the outbox.
    #[must_use]
    pub const fn op(&self) -> OpId {
        self.op
    }

    /// Waits until the server has decided. Offline that can take for ever; nothing else depends on it.
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
