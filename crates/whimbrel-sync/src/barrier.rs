//! Waiting until everything that the server had at some moment is on the device.

use crate::{Effects, Engine, Env, Notice, session::Phase};

/// Who waits, by how far the question has come.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    last: u64,
    waiting: Vec<(u64, Asked)>,
}

/// How far a question for heads has come that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No request for heads has left since.
    NotYet,
    /// One has.
    In(u64),
    /// It is answered to its end: what is behind now is all that there is.
    Answered,
}

impl Asked {
    /// A request for heads leaves.
    pub(crate) const fn leaves(self, request: u64) -> Self {
        match self {
            Self::NotYet => Self::In(request),
            other => other,
        }
    }

    /// It is answered to its end.
    pub(crate) const fn is_answered(self, request: u64) -> Self {
        match self {
            Self::In(id) if id <= request => Self::Answered,
            other => other,
        }
    }
}

impl Barriers {
    fn add(&mut self) -> u64 {
        // Two callers who wait for the same answer wait for the same moment.
        if let Some((ticket, _)) = self.waiting.iter().find(|(_, asked)| *asked == Asked::NotYet) {
            return *ticket;
        }
        self.last += 1;
        self.waiting.push((self.last, Asked::NotYet));
        self.last
    }

    /// Returns whether anybody waits for a request that has not left.
    pub(crate) fn want_heads(&self) -> bool {
        self.waiting.iter().any(|(_, asked)| *asked == Asked::NotYet)
    }

    /// A request for heads leaves.
    pub(crate) fn asked(&mut self, request: u64) {
        self.each(|asked| asked.leaves(request));
    }

    /// It is answered, and there is no more to ask for.
    pub(crate) fn answered(&mut self, request: u64) {
        self.each(|asked| asked.is_answered(request));
    }

    /// Whatever was asked has no answer, or no longer one that says how things are.
    pub(crate) fn start_over(&mut self) {
        self.each(|_| Asked::NotYet);
    }

    fn each(&mut self, change: impl Fn(Asked) -> Asked) {
        for (_, asked) in &mut self.waiting {
            *asked = change(*asked);
        }
    }

    fn take_answered(&mut self) -> impl Iterator<Item = u64> {
        let answered = self
            .waiting
            .extract_if(.., |(_, asked)| *asked == Asked::Answered);
        answered.map(|(ticket, _)| ticket)
    }
}

impl Engine {
    /// Asks to be told when everything that the server has accepted by now is on the device: [`Notice::CaughtUp`] with
    /// the returned number comes then, after the delta with the last of it. Offline that takes until the next connection.
    pub fn catch_up(&mut self, env: &mut Env<'_>) -> (u64, Effects) {
        let ticket = self.barriers.add();
        let mut effects = Effects::default();
        if matches!(self.phase, Phase::Online(_)) {
            self.ask_heads(&mut effects, env);
        }
        (ticket, self.finish(effects, env))
    }

    /// Tells those who wait, if nothing is behind any more.
    pub(crate) fn tell_caught_up(&mut self, effects: &mut Effects) {
        if matches!(self.phase, Phase::Online(_)) && self.streams.following && self.streams.behind() == 0 {
            let caught_up = self.barriers.take_answered().map(Notice::CaughtUp);
            effects.notices.extend(caught_up);
        }
    }
}
