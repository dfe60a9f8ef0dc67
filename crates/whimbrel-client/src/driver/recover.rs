//! After the database failed: everything starts over from what it holds, as soon as it can be read.

use super::{Driver, INPUTS_PER_COMMIT, Round, start_engine, streams::Streams};
use crate::{Error, command::Command};
use std::{any::Any, collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::{error, warn};
use whimbrel_model::{Change, Delta, Loaded, OpId, OutboxItem, limits};
use whimbrel_state::{Items, SyncState};
use whimbrel_store::Recovery;
use whimbrel_sync::Input;

/// The first wait before the database is tried again; it doubles with each failure in a row.
const STORE_RETRY: Duration = Duration::from_millis(200);

/// The longest wait.
const STORE_RETRY_CAP: Duration = Duration::from_secs(30);

/// Rows that one write can hold, if it was all pages.
const ROWS_PER_COMMIT: usize = INPUTS_PER_COMMIT * limits::PAGE_ROWS;

/// The database failed, and nobody knows what the engine knows that is not so: it is not asked any more.
#[derive(Debug)]
pub(super) struct Broken {
    error: Error,
    /// When to try again.
    pub(super) until: Instant,
}

impl Driver {
    /// Gives the engine up until [`Driver::recover`].
    pub(super) fn give_up(&mut self, error: Error) {
        warn!(code = error.code(), %error, "the database failed: starting over from what is on disk");
        self.close_link();
        self.fail_older(&error);
        self.fail_questions(&error);
        self.visits.fail(&error);
        self.parts.state.forget_typing();
        let wait = (STORE_RETRY * 2_u32.pow(self.store_failures.min(8))).min(STORE_RETRY_CAP);
        self.store_failures += 1;
        self.told_wait = None;
        self.parts.state.set_status(SyncState::BackingOff {
            retry_in_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            reason: error.to_string(),
        });
        self.broken = Some(Broken {
            error,
            until: Instant::now() + wait,
        });
    }

    /// Starts over after a panic: nobody knows what the engine knows that is not so.
    pub(super) fn start_over(&mut self, panic: &(dyn Any + Send)) {
        let words = panic.downcast_ref::<&str>().map(ToString::to_string);
        let cause = words
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic".to_owned());
        error!(%cause, "the client's driver panicked: starting over from what is on disk");
        self.tell(crate::Notice::Restarted { cause });
        self.give_up(Error::Interrupted);
    }

    /// While there is no engine, answers what needs one; returns the rest.
    pub(super) fn refuse_if_broken(&self, command: Command) -> Option<Command> {
        match &self.broken {
            Some(broken) => command.refuse(&broken.error),
            None => Some(command),
        }
    }

    /// Returns why there is no engine, if there is none.
    pub(super) fn failure(&self) -> Option<Error> {
        self.broken.as_ref().map(|broken| broken.error.clone())
    }

    /// Starts over from what the store holds.
    pub(super) async fn recover(&mut self) {
        let before = self.parts.store.recovery();
        if let Err(error) = self.reload(before).await {
            self.give_up(error);
        }
    }

    /// Starts over from what the store holds by now, and goes on as before.
    pub(super) async fn reload(&mut self, before: Option<Recovery>) -> Result<(), Error> {
        let loaded = self.parts.store.load().await?;
        self.start_from(loaded, before).await?;
        self.broken = None;
        let mut round = Round::default();
        self.ask_again(&mut round);
        self.want_presences_again(&mut round);
        if self.is_wanted_online() {
            self.follow(&mut round);
            self.input(Input::GoOnline, &mut round);
        }
        self.carry_out(round).await;
        Ok(())
    }

    /// Starts over from what was loaded, and tells if the database was recovered since `before`.
    pub(super) async fn start_from(&mut self, loaded: Loaded, before: Option<Recovery>) -> Result<(), Error> {
        if let Some(recovery) = self.parts.store.recovery()
            && before.as_ref() != Some(&recovery)
        {
            self.tell(crate::Notice::Recovered(recovery));
        }
        self.parts.state.put_local(loaded.local.clone());
        let correction = outbox_difference(&self.parts.state.outbox(), &loaded.outbox);
        // Nothing will be told of an operation that is not on disk.
        let kept: HashSet<OpId> = loaded.outbox.iter().map(|item| item.id).collect();
        self.waiting.retain(|id, _| kept.contains(id));
        let user = self.engine.account().user.clone();
        let environment = Arc::clone(&self.parts.environment);
        let (engine, first) = start_engine(
            loaded,
            &user,
            &self.parts.config,
            environment.as_ref(),
            self.parts.clock,
        )?;
        // Somebody else may have put a new database there.
        if !first.is_empty() {
            self.parts.store.apply(&first).await?;
        }
        let before = std::mem::replace(&mut self.engine, engine);
        self.engine.watch_as(&before);
        self.streams = Streams::Known;
        for cid in &self.opened {
            self.engine.set_visible(cid, true);
        }
        self.read_account().await?;
        self.reduce(&correction).await?;
        self.show_again().await
    }

    /// Shows what is on disk: a write that failed may have happened all the same.
    async fn show_again(&self) -> Result<(), Error> {
        let state = &self.parts.state;
        for timeline in state.timelines() {
            let query = timeline.again(ROWS_PER_COMMIT);
            let page = self.parts.store.messages(&query).await?;
            state.put_messages(&query, page);
        }
        self.show_channels_again().await?;
        if state.unread().is_some() {
            self.count_unread().await?;
        }
        self.show_threads_again().await?;
        self.show_objects_again().await?;
        state.forget_receipts();
        self.read_receipts().await?;
        Ok(())
    }
}

/// Says what makes `shown` equal to `stored`.
fn outbox_difference(shown: &Items<OutboxItem>, stored: &[OutboxItem]) -> Delta {
    let kept: HashSet<OpId> = stored.iter().map(|item| item.id).collect();
    let gone = shown.iter().filter(|item| !kept.contains(&item.id));
    let mut delta = Delta {
        changes: gone.map(|item| Change::OutboxRemoved(item.id)).collect(),
    };
    delta.changes.extend(stored.iter().cloned().map(Change::Outbox));
    delta
}
