//! What handles ask that waits for the server: being caught up, and gaps filled.

use super::{Driver, Round};
use crate::{Error, command::Reply, explain::Facts};
use std::time::Duration;
use whimbrel_model::{ChannelId, Gap, HistoryFrom, Invalid, OpId, limits};
use whimbrel_sync::HistoryError;

impl Driver {
    /// Answers once everything that the server has by now is on the device.
    pub(super) fn catch_up(&mut self, reply: Reply<()>, round: &mut Round) {
        if self.broken.is_some() {
            // The engine that will be asked is not there yet.
            self.behind.add(0, reply);
            return;
        }
        let (ticket, effects) = self.with_env(whimbrel_sync::Engine::catch_up);
        self.behind.add(ticket, reply);
        round.effects.merge(effects);
    }

    pub(super) fn caught_up(&mut self, ticket: u64) {
        for reply in self.behind.take(ticket) {
            // The caller may have gone.
            let _ = reply.send(Ok(()));
        }
    }

    /// Asks the new engine for what the old one was asked.
    pub(super) fn ask_again(&mut self, round: &mut Round) {
        for reply in self.behind.take_all() {
            self.catch_up(reply, round);
        }
    }

    /// Asks for the newest messages of a gap.
    pub(super) fn fill_gap(
        &mut self,
        cid: ChannelId,
        gap: Gap,
        limit: usize,
        reply: Reply<()>,
        round: &mut Round,
    ) {
        // Anybody can make a gap. Messages begin at 1, and what follows the last one has to be a number too.
        let lo = gap.lo.max(1);
        if lo > gap.hi {
            drop(reply.send(Ok(())));
            return;
        }
        if gap.hi >= limits::NUMBER {
            let problem = format!("must be below {}, got {}", limits::NUMBER, gap.hi);
            drop(reply.send(Err(Invalid::new("gap.hi", problem).into())));
            return;
        }
        let from = HistoryFrom::Before(gap.hi + 1);
        let limit = limit.clamp(1, limits::PAGE_ROWS) as u64;
        let limit = u32::try_from(limit.min(gap.hi + 1 - lo)).unwrap_or(u32::MAX);
        match self.with_env(|engine, env| engine.fetch_history(cid, from, limit, env)) {
            Ok((request, effects)) => {
                self.filling.insert(request, reply);
                round.effects.merge(effects);
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    /// Passes the answer to [`Driver::fill_gap`] on. Returns whether it was one.
    pub(super) fn gap_answered(&mut self, request: u64, outcome: &Result<(), HistoryError>) -> bool {
        let Some(reply) = self.filling.remove(&request) else {
            return false;
        };
        let _ = reply.send(outcome.clone().map_err(Error::from));
        true
    }

    /// Returns what only the engine knows of an operation.
    pub(super) fn facts(&self, op: OpId) -> Option<Facts> {
        let now = self.parts.clock.millis();
        let in_ms = |at: u64| Duration::from_millis(at.saturating_sub(now));
        Some(Facts {
            unsent: self.engine.unsent(op)?,
            next_attempt: self.engine.next_attempt(op).map(in_ms),
        })
    }
}
