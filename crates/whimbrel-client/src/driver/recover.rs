//! After the database failed: everything starts over from what it holds, as soon as it can be read.

use super::{Driver, Round, start_engine};
use crate::{Error, command::Command};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::warn;
use whimbrel_model::{Change, Delta, OpId, OutboxItem, StreamId};
use whimbrel_state::{Items, SyncState};
use whimbrel_sync::Input;

/// The first wait before the database is tried again; it doubles with each failure in a row.
const STORE_RETRY: Duration = Duration::from_millis(200);

/// The longest wait.
const STORE_RETRY_CAP: Duration = Duration::from_secs(30);

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

    /// While there is no engine, answers what needs one; returns the rest.
    pub(super) fn refuse_if_broken(&self, command: Command) -> Option<Command> {
        match &self.broken {
            Some(broken) => command.refuse(&broken.error),
            None => Some(command),
        }
    }

    /// Starts over from what the store holds.
    pub(super) async fn recover(&mut self) {
        match self.reload().await {
            Ok(()) => {
                self.broken = None;
                let mut round = Round::default();
                if self.wants_online {
                    self.input(Input::GoOnline, &mut round);
                }
                self.carry_out(round).await;
            }
            Err(error) => self.give_up(error),
        }
    }

    async fn reload(&mut self) -> Result<(), Error> {
        let loaded = self.parts.store.load().await?;
        let mut correction = outbox_difference(&self.parts.state.outbox(), &loaded.outbox);
        for cid in &self.opened {
            correction.push(Change::Rebase(StreamId::Channel(cid.clone())));
        }
        // Nothing will be told of an operation that is not on disk.
        let kept: HashSet<OpId> = loaded.outbox.iter().map(|item| item.id).collect();
        self.waiting.retain(|id, _| kept.contains(id));
        let user = self.engine.account().user.clone();
        let environment = Arc::clone(&self.parts.environment);
        let (engine, _) = start_engine(
            loaded,
            &user,
            &self.parts.config,
            environment.as_ref(),
            self.parts.clock,
        )?;
        self.engine = engine;
        for cid in &self.opened {
            self.engine.set_visible(cid, true);
        }
        self.reduce(&correction).await
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
