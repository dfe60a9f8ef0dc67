use crate::{Client, Error, SyncState, command::Command, driver::Visit};
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::oneshot;
use whimbrel_model::StreamId;
use whimbrel_state::OutboxSummary;

/// What came of [`Client::sync_once`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnceSummary {
    /// Operations of the outbox that are done: accepted, or made needless by a later one.
    pub sent: usize,
    /// Operations that the server decided against.
    pub rejected: usize,
    /// The streams of which something new is on the device: what others did, and own operations that were accepted.
    pub received: BTreeSet<StreamId>,
    /// Whether everything that the server had when it was called is on the device.
    pub caught_up: bool,
    /// What is still in the outbox.
    pub left: OutboxSummary,
    /// How the client was connected at the end, before it disconnected again: it says why something is left.
    pub status: SyncState,
}

impl Client {
    /// Syncs once: connects, sends what is in the outbox, catches up, and tells the server what has reached this device, until that is done, at most for `deadline`. For what an
    /// operating system grants in the background, or on a push notification. Then it disconnects again, unless the client is one
    /// that is connected: [`Client::connect`].
    ///
    /// It ends early when waiting does not help: when a new token is needed, or on [`Client::disconnect`] and
    /// [`Client::suspend`]. What is left is on disk, and goes on whenever there is a connection again. An app that is suspended
    /// calls [`Client::resume`] first.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use std::time::Duration;
    ///
    /// // Of the 30 seconds that the system grants.
    /// let summary = client.sync_once(Duration::from_secs(25)).await?;
    /// let again = !summary.caught_up || summary.left.queued > 0;
    /// println!("{} sent, {} streams moved, to be called again: {again}", summary.sent, summary.received.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancellation: it disconnects at once, as at its end. What was sent and received meanwhile stays.
    ///
    /// # Errors
    /// [`Error::Suspended`], [`Error::Closed`], or when the database failed. That there is no connection is none: the summary says so.
    pub async fn sync_once(&self, deadline: Duration) -> Result<OnceSummary, Error> {
        let (visit, stay) = oneshot::channel();
        let begin = |reply| Command::Visit(Visit::Begin { stay, reply });
        let since = self.commands().ask(begin).await?;
        let mut caught_up = false;
        let catch_up = async {
            let asked = self.commands().ask(|reply| Command::CatchUp { reply });
            caught_up = asked.await.is_ok();
            // Nobody may look at this device for days: whoever wrote is told now that it is here.
            let told = self.commands().ask(|reply| Command::TellDelivered { reply });
            drop(told.await);
        };
        let work = async { tokio::join!(catch_up, self.until_sent()) };
        tokio::select! {
            biased;
            _ = tokio::time::timeout(deadline, work) => {}
            () = self.until_no_use() => {}
        }
        let status = self.status();
        drop(visit);
        let end = |reply| Command::Visit(Visit::End { since, reply });
        let tally = self.commands().ask(end).await?;
        Ok(OnceSummary {
            sent: tally.accepted,
            rejected: tally.rejected,
            received: tally.received,
            caught_up,
            left: self.inner().state.outbox_summary(),
            status,
        })
    }

    async fn until_sent(&self) {
        let mut outbox = self.watch_outbox();
        let mut summary = outbox.get();
        while summary.queued > 0 {
            match outbox.next().await {
                Some(next) => summary = next,
                None => return,
            }
        }
    }

    /// Waits until the client is not connected by choice, or cannot be.
    async fn until_no_use(&self) {
        let mut watch = self.watch_status();
        let mut status = watch.get();
        while matches!(
            status,
            SyncState::Connecting
                | SyncState::Authenticating
                | SyncState::CatchingUp { .. }
                | SyncState::Live
                | SyncState::BackingOff { .. }
        ) {
            match watch.next().await {
                Some(next) => status = next,
                None => return,
            }
        }
    }
}
