use super::{LastSeen, PresenceRecord};
use crate::StorageError;
use async_trait::async_trait;
use std::fmt::Debug;
use whimbrel_model::UserId;

/// What a storage does for presence, beside the streams: nothing of it moves a version.
#[async_trait]
pub trait PresenceStorage: Debug + Send + Sync + 'static {
    /// Reads what has to be known to show `users` to `watcher`, in one snapshot: one record for each, in their order.
    async fn presence(&self, watcher: &UserId, users: &[UserId])
    -> Result<Vec<PresenceRecord>, StorageError>;

    /// Puts when users were seen last. It need not survive power loss.
    async fn put_last_seen(&self, seen: &[LastSeen]) -> Result<(), StorageError>;
}
