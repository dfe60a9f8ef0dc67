//! Waking devices that have no connection, by the push services of their makers.

mod desk;
mod told;

pub(crate) use desk::{PushDesk, Pusher, hint};

use async_trait::async_trait;
use std::fmt::Debug;
use whimbrel_model::{
    ChannelId, Contact, Device, DeviceId, Membership, MessageId, PushToken, Timestamp, UserId,
};
use whimbrel_protocol::PushPayload;

/// Carries pushes to the services that wake devices.
///
/// A push is a hint: one that is lost changes no state, and nobody waits for it.
#[async_trait]
pub trait PushProvider: Debug + Send + Sync + 'static {
    /// Carries a batch, and returns those of its tokens of which the service says that they are good for nothing any more: the
    /// hub takes them off their devices.
    ///
    /// It is called for one batch after the other, off every path that somebody waits on. Deadlines and repeats are its own; what
    /// waits meanwhile is bounded, and the oldest of it is dropped.
    ///
    /// Cancellation: the hub drops the call when it is closed. Some of the batch may have been carried.
    ///
    /// # Errors
    /// [`PushError`]: the batch is given up. The next event of a channel is pushed anew.
    async fn push(&self, batch: &[Push]) -> Result<Vec<PushToken>, PushError>;
}

/// One push, to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Whose device.
    pub user: UserId,
    /// Which.
    pub device: DeviceId,
    /// Where it is woken.
    pub to: PushToken,
    /// What it is told.
    pub payload: PushPayload,
}

/// Why a batch of pushes was not carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pushes could not be carried: {0}")]
pub struct PushError(pub String);

/// What became of pushes since the hub was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Pushes that the provider took.
    pub sent: u64,
    /// Pushes that it could not carry.
    pub failed: u64,
    /// Events that were pushed to nobody, as too much waited or the storage failed.
    pub dropped: u64,
    /// Tokens that were taken off their devices, for they were good for nothing any more.
    pub gone: u64,
}

/// A new message, as far as it matters for who is woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PushAbout {
    /// In which channel.
    pub cid: ChannelId,
    /// By whom.
    pub author: UserId,
    /// In the thread of which message only: nobody is woken who does not follow it.
    pub thread: Option<MessageId>,
}

/// A device that may be woken for a message, and what its owner holds of the channel and the people in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTarget {
    /// The device: not revoked, and with a push token.
    pub device: Device,
    /// How its owner, an active member and not the author, keeps the channel.
    pub membership: Membership,
    /// What its owner holds of the author.
    pub author: Option<Contact>,
    /// What its owner holds of whoever added them.
    pub adder: Option<Contact>,
}

impl PushTarget {
    /// Returns whether the owner wants to be disturbed: the channel and the author are neither muted nor denied at `now`.
    #[must_use]
    pub fn is_wanted(&self, now: Timestamp) -> bool {
        let muted = self.membership.is_muted(now);
        let denied = whimbrel_model::consent::of(&self.membership, self.adder.as_ref(), now)
            == whimbrel_model::ConsentState::Denied;
        let author = self.author.as_ref();
        !muted && !denied && !author.is_some_and(|author| author.is_muted(now) || author.is_denied(now))
    }
}
