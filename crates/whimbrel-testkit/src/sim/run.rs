//! Many schedules, on as many threads as there are processors. What a schedule comes to does not depend on how many that are.

use super::{Counters, Cut, Mutant, Violation, run};
use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Schedules that a thread takes at once.
const CHUNK: u64 = 4;

/// What many schedules came to.
#[derive(Debug, Default)]
pub struct Total {
    /// How many ran.
    pub schedules: u64,
    /// Messages that were sent on devices.
    pub messages: u64,
    /// What was reached.
    pub counters: Counters,
    /// The seeds that failed, and how, in ascending order.
    pub failures: Vec<(u64, Violation)>,
}

impl Total {
    /// Runs `count` schedules, the seeds from `first` on, until at least `enough` of them failed.
    #[must_use]
    pub fn of(first: u64, count: u64, mutant: Option<Mutant>, enough: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let next = AtomicU64::new(0);
        let parts = Mutex::new(Vec::new());
        let work = || {
            loop {
                let begin = next.fetch_add(CHUNK, Ordering::Relaxed);
                let failed: usize = locked(&parts)
                    .iter()
                    .map(|(_, part): &(u64, Self)| part.failures.len())
                    .sum();
                if begin >= count || failed >= enough {
                    return;
                }
                let mut part = Self::default();
                for seed in first + begin..first + count.min(begin + CHUNK) {
                    part.add_one(seed, mutant);
                }
                locked(&parts).push((begin, part));
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        let mut parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_by_key(|(begin, _)| *begin);
        let mut total = Self::default();
        // A later part may have been done before an earlier one; what counts is the order of the seeds.
        for (_, part) in parts {
            if total.failures.len() < enough {
                total.add(part);
            }
        }
        total
    }

    fn add_one(&mut self, seed: u64, mutant: Option<Mutant>) {
        let outcome = run(seed, mutant, &Cut::default());
        self.schedules += 1;
        self.messages += outcome.messages;
        self.counters.add(&outcome.counters);
        self.failures
            .extend(outcome.violation.map(|violation| (seed, violation)));
    }

    fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.messages += other.messages;
        self.counters.add(&other.counters);
        self.failures.extend(other.failures);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
