//! Those who want a connection for a while, and what came of it.

use super::{Driver, Round};
use crate::{Error, command::Reply};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    future::pending,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::oneshot;
use whimbrel_model::{Change, Delta, StreamId};
use whimbrel_sync::{Input, SyncError, SyncScope, SyncSummary};

/// What is asked of the driver.
#[derive(Debug)]
pub(crate) enum Visit {
    /// A connection is wanted until the other end of `stay` is dropped, and everything is followed.
    Begin {
        stay: oneshot::Receiver<Infallible>,
        reply: Reply<Mark>,
    },
    /// A connection is wanted as long, for this only.
    Sync {
        scope: SyncScope,
        stay: oneshot::Receiver<Infallible>,
        reply: Reply<SyncSummary>,
    },
    /// A visit is over, its `stay` dropped: is everything done that ends with it?
    Leave { reply: Reply<()> },
    /// Its visit is over: what has happened since?
    End { since: Mark, reply: Reply<Tally> },
}

impl Visit {
    pub(crate) fn fail(self, error: &Error) {
        match self {
            Self::Begin { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Sync { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Leave { reply } => drop(reply.send(Err(error.clone()))),
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

/// Ends with the visit, and says which it was.
#[derive(Debug)]
struct Staying {
    visit: u64,
    stay: oneshot::Receiver<Infallible>,
}

impl Future for Staying {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        let visit = self.visit;
        self.stay.poll_unpin(context).map(|_| visit)
    }
}

/// A visit ends when its caller drops the other end, however it does.
#[derive(Debug, Default)]
pub(super) struct Visits {
    staying: FuturesUnordered<Staying>,
    /// How many there ever were: the number of the last one.
    last: u64,
    /// Those that have ended, and were not acted on yet.
    gone: Vec<u64>,
    /// Those that follow everything.
    following: BTreeSet<u64>,
    /// Those that want something only, with the engine's number for it.
    syncing: BTreeMap<u64, u64>,
    /// Who waits for the outcome, by that number.
    waiting: HashMap<u64, Reply<SyncSummary>>,
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
        match self.staying.next().await {
            Some(visit) => self.gone.push(visit),
            None => pending().await,
        }
    }

    /// Ends all.
    pub(super) fn end(&mut self) {
        self.staying = FuturesUnordered::new();
        self.following.clear();
        self.syncing.clear();
    }

    /// Tells those who wait for something only that it will not come.
    pub(super) fn fail(&mut self, error: &Error) {
        // The engine that knew of them is not asked any more.
        self.syncing.clear();
        for (_, reply) in self.waiting.drain() {
            drop(reply.send(Err(error.clone())));
        }
    }

    fn add(&mut self, stay: oneshot::Receiver<Infallible>) -> u64 {
        self.last += 1;
        let visit = self.last;
        self.staying.push(Staying { visit, stay });
        visit
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
        let visit = self.add(stay);
        self.following.insert(visit);
        Mark {
            accepted: self.accepted,
            rejected: self.rejected,
            moves: self.moves,
        }
    }

    /// Forgets those that have ended. Returns the engine's numbers for what they wanted only.
    fn forget_gone(&mut self) -> Vec<u64> {
        while let Some(Some(visit)) = self.staying.next().now_or_never() {
            self.gone.push(visit);
        }
        let mut ended = Vec::new();
        for visit in self.gone.drain(..) {
            self.following.remove(&visit);
            ended.extend(self.syncing.remove(&visit));
        }
        for sync in &ended {
            self.waiting.remove(sync);
        }
        ended
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
                self.follow(round);
                self.input(Input::GoOnline, round);
                // So that whoever gets the answer sees the status that belongs to it.
                self.carry_out(std::mem::take(round)).await;
                drop(reply.send(self.failure().map_or(Ok(mark), Err)));
            }
            Visit::Sync { scope, stay, reply } => {
                let visit = self.visits.add(stay);
                self.follow(round);
                self.input(Input::GoOnline, round);
                let (sync, effects) = self.with_env(|engine, env| engine.sync(scope, env));
                self.visits.syncing.insert(visit, sync);
                self.visits.waiting.insert(sync, reply);
                round.effects.merge(effects);
            }
            Visit::Leave { reply } => {
                self.leave(round);
                self.carry_out(std::mem::take(round)).await;
                drop(reply.send(Ok(())));
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
        for sync in self.visits.forget_gone() {
            self.engine.end_sync(sync);
        }
        if self.is_wanted_online() {
            self.follow(round);
        } else {
            self.input(Input::GoOffline, round);
        }
    }

    /// Disconnects, whoever wants the connection.
    pub(super) fn go_offline(&mut self, round: &mut Round) {
        self.wants_online = false;
        self.visits.end();
        self.input(Input::GoOffline, round);
    }

    /// Lets the engine follow everything, if somebody wants that.
    pub(super) fn follow(&mut self, round: &mut Round) {
        if self.broken.is_some() || self.is_suspended {
            return;
        }
        let following = self.wants_online || !self.visits.following.is_empty();
        let effects = self.with_env(|engine, env| engine.set_following(following, env));
        round.effects.merge(effects);
    }

    /// Answers who wanted something only.
    pub(super) fn synced(&mut self, sync: u64, outcome: Result<SyncSummary, SyncError>) {
        if let Some(reply) = self.visits.waiting.remove(&sync) {
            drop(reply.send(outcome.map_err(Error::from)));
        }
    }
}
