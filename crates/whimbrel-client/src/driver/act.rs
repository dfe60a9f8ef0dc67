//! Carrying out effects: commit, reduce, answer, send, connect, tell.

use super::{Driver, Round};
use crate::Error;
use tracing::info;
use whimbrel_model::Delta;
use whimbrel_state::{Reach, SyncState};
use whimbrel_sync::{Effects, LinkAction, Notice, Status};

/// A day.
const LONGEST_WAIT_MS: u64 = 24 * 60 * 60 * 1_000;

impl Driver {
    /// Carries out one round. If the commit fails, nothing else of it happens and the callers get the error.
    pub(super) async fn carry_out(&mut self, round: Round) {
        if self.is_suspended {
            // There is nothing in it, and no store to read from.
            return;
        }
        let mut round = round;
        self.tell_visible(&mut round);
        let Round { effects, answers, .. } = round;
        let committed = self.commit(&effects.delta).await;
        if committed.is_ok() {
            self.visits.committed(&effects.delta);
        }
        // What is shown when a call returns includes what it did.
        let shown = match &committed {
            Ok(()) => self.reduce(&effects.delta).await,
            Err(error) => Err(error.clone()),
        };
        let failed = shown.map_err(|error| self.give_up(error)).is_err();
        for answer in answers {
            answer(committed.clone());
        }
        if !failed {
            if !effects.delta.is_empty() {
                self.store_failures = 0;
            }
            self.act(effects);
            self.finish_older().await;
            if let Err(error) = self.look_up().await {
                self.give_up(error);
            }
        }
        self.answer_told();
        self.publish_status();
        self.publish_freshness();
        if let Err(error) = self.publish_time().await {
            self.give_up(error);
        }
        for change in self.parts.state.take_consent_changes() {
            // Nobody has to listen.
            let _ = self.parts.consents.send(change);
        }
    }

    /// Tells open state what time it is, and takes note of when it has to be told again.
    ///
    /// # Errors
    /// [`Error`] when what that changes cannot be read.
    pub(super) async fn publish_time(&mut self) -> Result<(), Error> {
        let now = self.parts.environment.wall();
        let moment = self.parts.state.set_now(now);
        let shown = if moment.people {
            self.show_people_again().await
        } else {
            Ok(())
        };
        self.ends = moment.next.map(|at| {
            let millis = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
            // A wait for long is cut into days: the wall clock may be set meanwhile.
            self.parts.clock.millis() + millis.clamp(1, LONGEST_WAIT_MS)
        });
        shown
    }

    /// Tells open lists how fresh they are.
    pub(super) fn publish_freshness(&self) {
        let engine = &self.engine;
        let live = self.broken.is_none() && engine.status() == Status::Live;
        self.parts
            .state
            .set_freshness(engine.synced_at(), live, |cid| Reach {
                up_to_date: self.broken.is_none() && engine.is_up_to_date(cid),
                followed: engine.is_followed(cid),
            });
    }

    async fn commit(&self, delta: &Delta) -> Result<(), Error> {
        if !delta.is_empty() {
            self.parts.store.apply(delta).await?;
        }
        Ok(())
    }

    /// Shows what was committed, and reads again what the delta alone does not say.
    pub(super) async fn reduce(&self, delta: &Delta) -> Result<(), Error> {
        if delta.is_empty() {
            return Ok(());
        }
        let stale = self.parts.state.reduce(delta);
        for cid in stale.channels {
            self.put_channel(&cid).await?;
        }
        if stale.all_threads {
            self.read_all_threads().await?;
        } else {
            for id in stale.threads {
                self.put_thread(id).await?;
            }
        }
        for id in stale.open_threads {
            self.put_thread(id).await?;
        }
        for id in stale.pins {
            self.put_pin(id).await?;
        }
        if stale.people {
            self.show_people_again().await?;
        }
        for query in stale.messages {
            let page = self.parts.store.messages(&query).await?;
            self.parts.state.put_messages(&query, page);
        }
        self.read_receipts().await
    }

    /// Sends, connects or closes, and tells whoever waits. The delta is committed.
    pub(super) fn act(&mut self, effects: Effects) {
        if let Some(link) = &mut self.link
            && !effects.frames.is_empty()
        {
            self.stuck = link.send(effects.frames).err();
        }
        match effects.link {
            Some(LinkAction::Connect { refresh_token }) => {
                self.close_link();
                self.link_words = None;
                self.links += 1;
                self.link = Some(self.dialer.dial(self.links, refresh_token));
            }
            Some(LinkAction::Close { code }) => {
                info!(code = code.as_str(), "closing the connection");
                self.close_link();
            }
            None => {}
        }
        for notice in effects.notices {
            match notice {
                Notice::Settled(id, outcome) => self.settle(id, outcome),
                Notice::History(request, outcome) => {
                    if !self.gap_answered(request, &outcome) {
                        self.history_answered(request, outcome);
                    }
                }
                Notice::Answered(request, outcome) => self.answered(request, outcome),
                Notice::Parcel(request, outcome) => self.carried(request, outcome),
                Notice::Presence(presence) => self.presences.told(&presence, self.parts.environment.wall()),
                Notice::PresenceLost => self.presences.lost(),
                Notice::Watchers { cid, watchers } => self.watchers.told(&cid, watchers),
                Notice::CaughtUp(ticket) => self.caught_up(ticket),
                Notice::Synced(sync, outcome) => self.synced(sync, outcome),
                Notice::Typing { cid, parent, users } => self.parts.state.put_typing(cid, parent, users),
                Notice::Discontinuity(cid) => {
                    info!(%cid, "changes were skipped: there may be a gap");
                    self.tell(crate::Notice::Discontinuity { cid });
                }
            }
        }
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, notice: crate::Notice) {
        // Nobody has to listen.
        let _ = self.parts.notices.send(notice);
    }

    pub(super) fn close_link(&mut self) {
        self.stuck = None;
        self.presences.lost();
        self.watchers.lost();
        if let Some(link) = self.link.take() {
            link.close();
        }
    }

    fn publish_status(&mut self) {
        if self.broken.is_some() {
            return;
        }
        let status = match self.engine.status() {
            Status::Offline => SyncState::Offline,
            Status::Connecting => SyncState::Connecting,
            Status::Authenticating => SyncState::Authenticating,
            Status::CatchingUp { behind } => SyncState::CatchingUp { behind },
            Status::Live => SyncState::Live,
            // A wait is told when it begins, and not again with a smaller number.
            Status::BackingOff { until, .. } if self.told_wait == Some(until) => return,
            Status::BackingOff { until, reason } => {
                self.told_wait = Some(until);
                let retry_in_ms = until.saturating_sub(self.parts.clock.millis());
                SyncState::BackingOff {
                    retry_in_ms,
                    // What the server or the engine ended the link for has no words but its code.
                    reason: self
                        .link_words
                        .take()
                        .unwrap_or_else(|| reason.as_str().replace('_', " ")),
                }
            }
            Status::NeedsAuth { message } => SyncState::NeedsAuth { reason: message },
            Status::Failed { message } => SyncState::Failed { reason: message },
            Status::Revoked { message } => SyncState::Revoked { reason: message },
        };
        if !matches!(status, SyncState::BackingOff { .. }) {
            self.told_wait = None;
        }
        self.parts.state.set_status(status);
    }
}
