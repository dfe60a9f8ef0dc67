//! Letting the database go, for a while or for good.

use super::{Driver, Round};
use crate::{
    Error, LogoutOptions, LogoutReceipt,
    command::{Command, Reply},
};
use tokio::sync::oneshot;
use whimbrel_state::{OutboxSummary, SyncState};
use whimbrel_sync::Input;

/// How a driver ends, and who is to be told so.
#[derive(Debug)]
pub(super) enum End {
    Close(oneshot::Sender<()>),
    LogOut {
        discarded: OutboxSummary,
        reply: Reply<LogoutReceipt>,
    },
}

impl Driver {
    /// Lets go of the database. What was taken is written.
    pub(super) async fn suspend(&mut self) -> Result<(), Error> {
        if self.is_suspended {
            return Ok(());
        }
        self.fail_older(&Error::Suspended);
        self.fail_questions(&Error::Suspended);
        self.visits.end();
        self.visits.fail(&Error::Suspended);
        self.disconnect().await;
        self.forget_streams();
        if let Err(error) = self.parts.store.suspend().await {
            let error = Error::from(error);
            self.give_up(error.clone());
            return Err(error);
        }
        self.is_suspended = true;
        self.broken = None;
        self.told_wait = None;
        self.ends = None;
        self.parts.state.set_status(SyncState::Suspended);
        Ok(())
    }

    /// Opens the database again, shows what is in it by now, and connects if that is wanted.
    pub(super) async fn resume(&mut self) -> Result<(), Error> {
        if !self.is_suspended {
            return Ok(());
        }
        let before = self.parts.store.recovery();
        self.parts.store.resume().await?;
        self.is_suspended = false;
        let reloaded = self.reload(before).await;
        if let Err(error) = &reloaded {
            // It is tried again, as after any failure.
            self.give_up(error.clone());
        }
        reloaded
    }

    /// Answers while there is no database: what can wait for it does.
    pub(super) fn put_off(&mut self, command: Command) {
        match command {
            Command::GoOnline => self.wants_online = true,
            Command::GoOffline => self.wants_online = false,
            Command::CatchUp { reply } => self.behind.add(0, reply),
            command => command.fail(&Error::Suspended),
        }
    }

    /// Ends, if nothing of the user's is lost with it or that is what was asked for. Returns whether to go on.
    pub(super) async fn log_out(
        &mut self,
        options: LogoutOptions,
        reply: Reply<LogoutReceipt>,
        round: &mut Round,
    ) -> bool {
        self.carry_out(std::mem::take(round)).await;
        let refused = if self.is_suspended {
            Some(Error::Suspended)
        } else {
            self.unsent(options)
        };
        if let Some(error) = refused {
            drop(reply.send(Err(error)));
            return true;
        }
        let discarded = self.parts.state.outbox_summary();
        self.disconnect().await;
        round.end = Some(End::LogOut { discarded, reply });
        false
    }

    /// Returns why the outbox may not be deleted.
    fn unsent(&self, options: LogoutOptions) -> Option<Error> {
        if options.discard_unsent {
            return None;
        }
        if let Some(error) = self.failure() {
            // Nobody knows what is in it.
            return Some(error);
        }
        let unsent = self.parts.state.outbox_summary();
        (unsent.queued + unsent.rejected > 0).then_some(Error::Unsent(unsent))
    }

    /// Ends the connection, and writes what is written when it ends.
    async fn disconnect(&mut self) {
        let mut round = Round::default();
        self.input(Input::GoOffline, &mut round);
        self.carry_out(round).await;
        self.close_link();
    }

    /// Releases everything, and tells whoever waits for it.
    pub(super) async fn finish(self, end: Option<End>) {
        let Self { parts, link, .. } = self;
        if let Some(link) = link {
            link.close();
        }
        match end {
            Some(End::LogOut { discarded, reply }) => {
                let deleted = parts.store.delete().await.map_err(Error::from);
                parts.store.close().await;
                parts.state.set_status(SyncState::Closed);
                // Nobody may wait any more; it is gone all the same.
                drop(reply.send(deleted.map(|deleted| LogoutReceipt { deleted, discarded })));
            }
            Some(End::Close(reply)) => {
                parts.store.close().await;
                parts.state.set_status(SyncState::Closed);
                let _ = reply.send(());
            }
            None => {
                parts.store.close().await;
                parts.state.set_status(SyncState::Closed);
            }
        }
    }
}
