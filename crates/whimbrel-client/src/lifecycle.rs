use crate::{Client, Error, SyncState, command::Command};
use std::path::PathBuf;
use whimbrel_state::OutboxSummary;

/// What [`Client::logout`] may do. Nothing that loses anything, without being told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogoutOptions {
    pub(crate) discard_unsent: bool,
}

impl LogoutOptions {
    /// Lets the account lose what the server has not accepted: what waits in the outbox, and what was rejected.
    #[must_use]
    pub const fn discard_unsent(mut self) -> Self {
        self.discard_unsent = true;
        self
    }
}

/// What [`Client::logout`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutReceipt {
    /// The files that were deleted, and were seen to be gone. None if the account was in memory only.
    pub deleted: Vec<PathBuf>,
    /// The operations in the outbox that were lost with them.
    pub discarded: OutboxSummary,
}

/// Letting the database go, for a while or for good.
impl Client {
    /// Lets go of the database until [`Client::resume`]: finishes the running write, disconnects, and releases every file and
    /// lock. For systems that end an app in the background which holds a lock, and for databases that several processes use in turn.
    ///
    /// What is open stays open, and shows what it showed. Until then calls fail with [`Error::Suspended`], which is retryable,
    /// but for those that can wait: [`Client::connect`], [`Client::disconnect`] and [`Client::wait_until_caught_up`]. Nothing is written,
    /// sent or tried again in the background. Once more changes nothing; a suspended client can be closed or dropped.
    ///
    /// Cancellation: it is suspended all the same.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Store`] if the store cannot; it is not suspended then.
    pub async fn suspend(&self) -> Result<(), Error> {
        self.commands().ask(|reply| Command::Suspend { reply }).await
    }

    /// Opens the database again after [`Client::suspend`]. What is open then shows what is on disk by now, whoever wrote it, and
    /// goes on with diffs; the client connects if it was connected. Without being suspended it changes nothing.
    ///
    /// Cancellation: it is resumed all the same.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Store`] if the database cannot be opened, as while another process has it: it is still suspended
    /// then. If it can be opened but not read, it is tried again by itself, as after any failure.
    pub async fn resume(&self) -> Result<(), Error> {
        self.commands().ask(|reply| Command::Resume { reply }).await
    }

    /// Logs the account out of this device: stops everything, and deletes its database with everything that belongs to it, the
    /// outbox too. It is verified that the files are gone; what was in them is not overwritten on the medium. The server is not told,
    /// and the token stays valid.
    ///
    /// The client is closed then, and nothing of it is written any more. What was open keeps what it shows; drop it. If the deletion
    /// is interrupted, the account is there as a whole, or it is deleted to the end by whoever opens it next.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::{Error, LogoutOptions};
    ///
    /// match client.logout(LogoutOptions::default()).await {
    ///     Err(Error::Unsent(unsent)) => {
    ///         println!("{} messages would be lost", unsent.queued + unsent.rejected);
    ///         // After the user said so:
    ///         client.logout(LogoutOptions::default().discard_unsent()).await?;
    ///     }
    ///     other => drop(other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancellation: it is logged out all the same, if nothing was unsent.
    ///
    /// # Errors
    /// [`Error::Unsent`] if something is in the outbox, and [`LogoutOptions::discard_unsent`] was not asked for; [`Error::Suspended`];
    /// [`Error::Store`] if the database failed just now: nothing has changed. [`Error::Store`] if not everything could be deleted,
    /// and [`Error::Closed`].
    pub async fn logout(&self, options: LogoutOptions) -> Result<LogoutReceipt, Error> {
        let ask = |reply| Command::Logout { options, reply };
        let receipt = self.commands().ask(ask).await;
        if self.status() == SyncState::Closed {
            self.inner().tasks.wait().await;
        }
        receipt
    }
}
