//! The devices of an account, as far as they matter beside its stream: which are revoked, when each was seen, how far it is.

mod desk;

pub(crate) use desk::SeenDesk;

use crate::{PushAbout, PushTarget, StorageError};
use async_trait::async_trait;
use std::fmt::Debug;
use whimbrel_model::{Device, DeviceId, Timestamp, UserId};

/// What a storage does for devices, beside the streams: nothing of it moves a version.
#[async_trait]
pub trait DeviceStorage: Debug + Send + Sync + 'static {
    /// Reads the devices of a user, revoked ones too, by id, each with what [`put_seen`](Self::put_seen) put last.
    async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRecord>, StorageError>;

    /// Puts when devices were seen and how far they were. One that is not registered is left out.
    async fn put_seen(&self, seen: &[DeviceSeen]) -> Result<(), StorageError>;

    /// Counts, for each of `tokens`, those streams of `user` that have moved since: what
    /// [`Storage::heads`](crate::Storage::heads) would name with it. A token that is not understood counts as absent.
    async fn behind(&self, user: &UserId, tokens: &[Option<String>]) -> Result<Vec<u64>, StorageError>;

    /// Reads the devices that may be woken for a message, in one read: by user and device those that are not revoked and have
    /// a push token, of the active members but its author; with a thread, of those who follow it.
    async fn push_targets(&self, about: &PushAbout) -> Result<Vec<PushTarget>, StorageError>;

    /// Deletes the rows of devices that were revoked before `before`, and returns how many. It moves no version: whoever has
    /// such a row keeps it.
    async fn prune_devices(&self, before: Timestamp) -> Result<u64, StorageError>;
}

/// A device, and what is known of it beside its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its row.
    pub device: Device,
    /// When it was last seen, and how far it was. Absent: not since it was registered.
    pub seen: Option<Seen>,
}

/// When a device was seen, and how far it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The token of the last heads that it has on disk. Absent: it has none.
    pub token: Option<String>,
}

/// The [`Seen`] of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub device: DeviceId,
    /// What is known of it.
    pub seen: Seen,
}
