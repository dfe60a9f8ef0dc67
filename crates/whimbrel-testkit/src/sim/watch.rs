//! What a running engine has heard and may do: the rules between its frames, its cursors and its patience.

use super::{Violation, log::violated, world::World};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{Change, Code, Cursor, Delta, Lane, OpEnvelope, OpId, StreamId, limits};
use whimbrel_protocol::{OpResult, Outcome, ServerFrame};

/// One app, from its start to its end.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Steps and pages that came on this connection, before any mutant changed them: from which version to which.
    moves: BTreeMap<StreamId, BTreeSet<(u64, u64)>>,
    /// Pages that began anew, by how far they go.
    resets: BTreeMap<StreamId, BTreeSet<u64>>,
    /// Operations that left on this connection, and have no answer.
    in_flight: BTreeSet<OpId>,
    /// The lanes of which something was refused for now, with what has left again since without an answer.
    refused: BTreeMap<Lane, BTreeSet<OpId>>,
    /// Operations that are not to come again before a moment.
    not_before: BTreeMap<OpId, u64>,
    /// The server asked not to be called before this moment.
    redial_after: u64,
    /// Somebody wants to be online now, whatever the server has asked for.
    pub(super) insists: bool,
    /// Calls that wait to be caught up, with how far each stream was when they were made.
    barriers: BTreeMap<u64, BTreeMap<StreamId, u64>>,
}

impl Watch {
    /// A connection begins.
    pub(super) fn dials(&mut self, now: u64) -> Result<(), Violation> {
        self.moves.clear();
        self.resets.clear();
        self.in_flight.clear();
        self.refused.clear();
        if self.insists {
            self.redial_after = 0;
        }
        if now < self.redial_after {
            return violated(
                "C12",
                format!("it dials {} ms too early", self.redial_after - now),
            );
        }
        Ok(())
    }

    /// Operations leave.
    pub(super) fn leaves(&mut self, ops: &[OpEnvelope], now: u64) -> Result<(), Violation> {
        for op in ops {
            if self.not_before.remove(&op.id).is_some_and(|until| now < until) {
                return violated("C12", format!("{} came again before its time", op.id));
            }
            if !self.in_flight.insert(op.id) && !self.may_repeat(op) {
                return violated("C5", format!("{} left twice without an answer", op.id));
            }
        }
        if self.in_flight.len() > limits::IN_FLIGHT {
            return violated(
                "C5",
                format!("{} operations are on their way", self.in_flight.len()),
            );
        }
        Ok(())
    }

    /// Whether a refusal for now of its lane had arrived: the engine may have sent again before it saw it, and then takes it
    /// for an answer to what it sent.
    fn may_repeat(&mut self, op: &OpEnvelope) -> bool {
        let repeated = self.refused.get_mut(&op.op.lane());
        repeated.is_some_and(|repeated| repeated.insert(op.id))
    }

    /// A frame has arrived; the engine will see it before it does anything else. `lane` finds the lane and the place of an
    /// operation.
    pub(super) fn arrives(
        &mut self,
        frame: &ServerFrame,
        now: u64,
        lane: impl Fn(OpId) -> Option<(Lane, u64)>,
    ) {
        match frame {
            ServerFrame::Event(step) => {
                self.moves(&step.stream, step.from, step.to);
            }
            ServerFrame::Results(results) => {
                for result in &results.results {
                    self.answered(result, now, &lane);
                    if let Outcome::Accepted { steps } = &result.outcome {
                        for step in steps {
                            self.moves(&step.stream, step.from, step.to);
                        }
                    }
                }
            }
            ServerFrame::Page(page) if page.reset => {
                self.resets
                    .entry(page.stream.clone())
                    .or_default()
                    .insert(page.to.ver);
            }
            ServerFrame::Page(page) => self.moves(&page.stream, page.from, page.to.ver),
            ServerFrame::Bye(bye) => self.redial_after = now + bye.retry_after_ms.unwrap_or(0),
            _ => {}
        }
    }

    fn answered(&mut self, result: &OpResult, now: u64, lane: &impl Fn(OpId) -> Option<(Lane, u64)>) {
        let Outcome::Retry {
            code, retry_after_ms, ..
        } = &result.outcome
        else {
            self.in_flight.remove(&result.id);
            return;
        };
        let all = *code == Code::OutOfOrder;
        if !self.in_flight.remove(&result.id) && !all {
            return;
        }
        if let Some(wait) = retry_after_ms {
            self.not_before.insert(result.id, now + wait);
        }
        // What comes after it is taken back with it; if it came too early, what comes before it too.
        if let Some((of, place)) = lane(result.id) {
            self.refused.insert(of.clone(), BTreeSet::new());
            self.in_flight
                .retain(|id| lane(*id).is_none_or(|(other, at)| other != of || (at < place && !all)));
        }
    }

    fn moves(&mut self, stream: &StreamId, from: u64, to: u64) {
        self.moves.entry(stream.clone()).or_default().insert((from, to));
    }

    /// C7: a cursor moves only by a step or a page that begins where it is.
    pub(super) fn check_moves(
        &self,
        cursors: &BTreeMap<StreamId, Cursor>,
        delta: &Delta,
    ) -> Result<(), Violation> {
        let mut at: BTreeMap<&StreamId, Cursor> = BTreeMap::new();
        for change in &delta.changes {
            let Change::Cursor(stream, new) = change else {
                continue;
            };
            let old = at.insert(stream, *new).or_else(|| cursors.get(stream).copied());
            let from = old.filter(|old| old.epoch == new.epoch).map_or(0, |old| old.ver);
            let step = self
                .moves
                .get(stream)
                .is_some_and(|moves| moves.contains(&(from, new.ver)));
            let reset = self.resets.get(stream).is_some_and(|to| to.contains(&new.ver));
            if from != new.ver && !step && !reset {
                return violated(
                    "C7",
                    format!(
                        "the cursor of {stream} moved from {from} to {}, and nothing led there",
                        new.ver
                    ),
                );
            }
        }
        Ok(())
    }

    /// Somebody asks to be told when everything until `heads` is here.
    pub(super) fn waits(&mut self, ticket: u64, heads: BTreeMap<StreamId, u64>) {
        let known = self.barriers.entry(ticket).or_default();
        for (stream, head) in heads {
            let known = known.entry(stream).or_default();
            *known = head.max(*known);
        }
    }

    /// Somebody is told so. Returns how far each stream had to be.
    pub(super) fn told(&mut self, ticket: u64) -> BTreeMap<StreamId, u64> {
        self.barriers.remove(&ticket).unwrap_or_default()
    }
}

impl World {
    /// L4: who was told to be caught up has everything that was there when they asked, as far as they may see it.
    pub(super) fn check_caught_up(&mut self, index: usize, ticket: u64) -> Result<(), Violation> {
        self.log.count("caught_up");
        let Some(run) = self.devices[index].run.as_mut() else {
            return Ok(());
        };
        let heads = run.watch.told(ticket);
        if self.ghost.restores > 0 {
            return Ok(());
        }
        let user = &self.devices[index].user;
        for (stream, head) in heads {
            let here = self.ghost.cursors[index]
                .get(&stream)
                .map_or(0, |cursor| cursor.ver);
            if here < head
                && self.ghost.server.was_in(user, &stream, head)
                && self.follows_stream(index, &stream)
            {
                return violated(
                    "L4",
                    format!(
                        "{} was told to be caught up, and has {stream} to {here}, not {head}",
                        self.devices[index].name
                    ),
                );
            }
        }
        Ok(())
    }
}
