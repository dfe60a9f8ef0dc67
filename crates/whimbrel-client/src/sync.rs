//! Bringing a part of the account up to date by hand.

use crate::{Client, Error, command::Command, driver::Visit};
use tokio::sync::oneshot;
use whimbrel_model::ConsentState;
use whimbrel_sync::{SyncScope, SyncSummary};

impl Client {
    /// Learns of new channels now: brings the account's own stream up to date, and the rows of those of its channels that are not
    /// on the device yet, their names and pictures, unless they are denied. No messages, no members: those come with
    /// [`Channel::sync`](crate::Channel::sync), [`Client::sync_all`], or when the channel is followed.
    ///
    /// The summary tells how many there were, and how many came. For the rest see [`Channel::sync`](crate::Channel::sync).
    ///
    /// # Errors
    /// [`Error::Sync`] when there is no connection to be had, or it breaks; [`Error::Suspended`], [`Error::Closed`], or when the
    /// database failed.
    pub async fn sync_channels(&self) -> Result<SyncSummary, Error> {
        self.sync_scope(SyncScope::NewChannels).await
    }

    /// Brings the account's own stream up to date now: consent, settings, contacts, drafts, its devices, and which channels it is
    /// in, new ones included. The lightest of these calls: one question.
    ///
    /// # Errors
    /// As [`Client::sync_channels`].
    pub async fn sync_preferences(&self) -> Result<(), Error> {
        self.sync_scope(SyncScope::Own).await.map(drop)
    }

    /// Brings all channels up to date now whose consent is one of `consents`, followed or not, and the account's own stream: what
    /// is decided of a channel, else of who added the account to it.
    ///
    /// The summary tells how many channels that were, and of how many something was missing that is on the device now. Of
    /// requests, [`ConsentState::Unknown`], no more than the newest messages come. For the rest see
    /// [`Channel::sync`](crate::Channel::sync).
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::model::ConsentState;
    ///
    /// // With `ClientBuilder::follow_consent([ConsentState::Allowed])`, when the user opens the requests.
    /// let summary = client.sync_all(&[ConsentState::Unknown]).await?;
    /// println!("{} of {} requests had something new", summary.synced, summary.eligible);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::sync_channels`].
    pub async fn sync_all(&self, consents: &[ConsentState]) -> Result<SyncSummary, Error> {
        let consents = consents.iter().copied().collect();
        self.sync_scope(SyncScope::Channels(consents)).await
    }

    /// Wants a connection until it is done, or the future is dropped.
    pub(crate) async fn sync_scope(&self, scope: SyncScope) -> Result<SyncSummary, Error> {
        self.sync_scope_then(scope, async {}).await
    }

    /// The same, with something to be done on the same connection once all is here.
    pub(crate) async fn sync_scope_then(
        &self,
        scope: SyncScope,
        then: impl Future<Output = ()>,
    ) -> Result<SyncSummary, Error> {
        let (visit, stay) = oneshot::channel();
        let sync = |reply| Command::Visit(Visit::Sync { scope, stay, reply });
        let outcome = self.commands().ask(sync).await;
        if outcome.is_ok() {
            then.await;
        }
        drop(visit);
        // So that a connection that was made for it is gone when this returns. Whatever comes of that, the outcome stands.
        let left = self
            .commands()
            .ask(|reply| Command::Visit(Visit::Leave { reply }));
        drop(left.await);
        outcome
    }
}
