//! Those who want a connection for a while, and what came of it.

use super::{Driver, Round};
use crate::{Error, command::Reply};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
};
use tokio::sync::oneshot;
use whimbrel_model::{Change, Delta, StreamId};
use whimbrel_sync::Input;

/// What is asked of the driver.
#[derive(Debug)]
pub(crate) enum Visit {
    /// A connection is wanted until the other end of `stay` is dropped.
    Begin {
        stay: oneshot::Receiver<Infallible>,
        reply: Reply<Mark>,
    },
    /// Its visit is over: what has happened since?
    End { since: Mark, reply: Reply<Tally> },
}

impl Visit {
    pub(crate) fn fail(self, error: &Error) {
        match self {
            Self::Begin { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::End { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// How much had happened at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    accepted: usize,
    rejected: usize,
    moves: u64,
}

/// What has happened since.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) rejected: usize,
    pub(crate) received: BTreeSet<StreamId>,
}

/// A visit ends when its caller drops the other end, however it does.
#[derive(Debug, Default)]
pub(super) struct Visits {
    staying: FuturesUnordered<oneshot::Receiver<Infallible>>,
    accepted: usize,
    rejected: usize,
    /// Counts the rest of it.
    moves: u64,
    /// When each stream moved last; only while there are visits.
    received: BTreeMap<StreamId, u64>,
}

impl Visits {
    pub(super) fn is_any(&self) -> bool {
        !self.staying.is_empty()
    }

    /// Waits until one ends; for ever if there is none.
    pub(super) async fn left(&mut self) {
        if self.staying.next().await.is_none() {
            pending::<()>().await;
        }
    }

    /// Ends all.
    pub(super) fn end(&mut self) {
        self.staying = FuturesUnordered::new();
    }

    pub(super) fn settled(&mut self, is_accepted: bool) {
        let count = if is_accepted {
            &mut self.accepted
        } else {
            &mut self.rejected
        };
        *count += 1;
    }

    /// Notes what was committed.
    pub(super) fn committed(&mut self, delta: &Delta) {
        if !self.is_any() {
            return;
        }
        for change in &delta.changes {
            if let Change::Cursor(stream, _) = change {
                self.moves += 1;
                self.received.insert(stream.clone(), self.moves);
            }
        }
    }

    fn begin(&mut self, stay: oneshot::Receiver<Infallible>) -> Mark {
        if !self.is_any() {
            self.received.clear();
        }
        self.staying.push(stay);
        Mark {
            accepted: self.accepted,
            rejected: self.rejected,
            moves: self.moves,
        }
    }

    fn forget_gone(&mut self) {
        while let Some(Some(_)) = self.staying.next().now_or_never() {}
    }

    fn since(&self, mark: Mark) -> Tally {
        let received = self.received.iter().filter(|(_, moved)| **moved > mark.moves);
        Tally {
            accepted: self.accepted - mark.accepted,
            rejected: self.rejected - mark.rejected,
            received: received.map(|(stream, _)| stream.clone()).collect(),
        }
    }
}

impl Driver {
    /// Whether there is to be a connection.
    pub(super) fn is_wanted_online(&self) -> bool {
        self.wants_online || self.visits.is_any()
    }

    /// Begins a visit, which connects at once, a wait for the next attempt or not; or answers what came of one.
    pub(super) async fn visit(&mut self, visit: Visit, round: &mut Round) {
        match visit {
            Visit::Begin { stay, reply } => {
                let mark = self.visits.begin(stay);
                self.input(Input::GoOnline, round);
                // So that whoever gets the answer sees the status that belongs to it.
                self.carry_out(std::mem::take(round)).await;
                drop(reply.send(self.failure().map_or(Ok(mark), Err)));
            }
            Visit::End { since, reply } => {
                self.leave(round);
                self.carry_out(std::mem::take(round)).await;
                let tally = self.visits.since(since);
                drop(reply.send(self.failure().map_or(Ok(tally), Err)));
            }
        }
    }

    /// Disconnects if nobody wants the connection any more.
    pub(super) fn leave(&mut self, round: &mut Round) {
        self.visits.forget_gone();
        if !self.is_wanted_online() {
            self.input(Input::GoOffline, round);
        }
    }
}
