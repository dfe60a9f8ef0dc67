//! Bringing one channel up to date by hand.

use super::Channel;
use crate::Error;
use whimbrel_sync::SyncScope;

impl Channel {
    /// Brings this channel up to date now, followed or not: everything that the server had of it when this was called is on the
    /// device when it returns, and so is the account's own stream. Of a channel of which nothing was decided no more than the
    /// newest messages come: [`EngineConfig::unknown_messages`](crate::EngineConfig::unknown_messages).
    ///
    /// A channel that is followed is kept up to date by itself while the client is connected. Without a connection this makes one,
    /// for as long as it takes, and brings nothing else; what waits in the outbox is sent on it. It tries once, within the
    /// time-outs of a connection. Any number can run at once.
    ///
    /// Cancellation: what came by then stays, and a connection that was made for it ends.
    ///
    /// # Errors
    /// [`Error::Sync`] when there is no connection to be had, when it breaks, or when the account is not in the channel;
    /// [`Error::Suspended`], [`Error::Closed`], or when the database failed.
    pub async fn sync(&self) -> Result<(), Error> {
        let scope = SyncScope::Channel(self.cid.clone());
        self.client.sync_scope(scope).await.map(drop)
    }
}
