//! Deterministic simulation: devices with the real engine, state and store, the real server logic, and a network that
//! does its worst, all from one seed.
//!
//! A schedule has two phases. In the first, people act and things go wrong, and what has to hold at every moment is
//! checked at every step. In the second nothing goes wrong any more: within a bounded virtual time everything has to
//! come to rest, and then what has to hold in the end is checked. See `docs/SIMULATION.md`.
//!
//! ## Invariants
//!
//! - A schedule is a function of its seed: no clock, no thread, no other randomness. Several run side by side.
//! - A failure names the invariant that was broken, as the reliability rules number them.

mod action;
mod check;
mod commit;
mod crowd;
mod day;
mod deed;
mod device;
mod dice;
mod fault;
mod flood;
mod fold;
mod follow;
mod fresh;
mod ghost;
mod herd;
mod keep;
mod link;
mod log;
mod marks;
mod mutant;
mod net;
mod observe;
mod oracle;
mod own;
mod people;
mod plan;
mod power;
mod presence;
mod privacy;
mod query;
mod revoke;
mod run;
mod server;
mod shelf;
mod shrink;
mod society;
mod storage;
mod travel;
mod truth;
mod watch;
mod weaken;
mod world;

pub use day::{Day, DayTotal, day};
pub use fault::{Fault, FaultSet};
pub use herd::{Herd, herd};
pub use log::{Counters, PATHS};
pub use mutant::Mutant;
pub use plan::Cut;
pub use run::Total;
pub use shrink::{Shrunk, shrink};

use std::fmt;

/// What was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What one schedule came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was broken, if anything was.
    pub violation: Option<Violation>,
    /// Messages that were sent on devices.
    pub messages: u64,
    /// What was reached.
    pub counters: Counters,
    /// One line an event, if it was asked for.
    pub story: Vec<String>,
}

/// Runs the schedule of a seed.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, cut: &Cut) -> Outcome {
    world::World::new(seed, mutant, cut, false).run()
}

/// Runs the schedule of a seed, and tells its story.
#[must_use]
pub fn tell(seed: u64, mutant: Option<Mutant>, cut: &Cut) -> Outcome {
    world::World::new(seed, mutant, cut, true).run()
}
