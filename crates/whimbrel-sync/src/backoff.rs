//! How long to wait after a failure.

use crate::{EngineConfig, Env};
use std::fmt::Debug;

/// Says how long to wait before something that failed is tried again: a connection, or an operation that the server refused
/// for now.
///
/// A wait that the server asked for is kept whatever this says. Nothing is ever given up: the longest wait is how long
/// the user may have to wait once the network is back.
pub trait RetryPolicy: Debug + Send + Sync + 'static {
    /// Returns the wait in milliseconds after so many failures in a row, at least 1. `random` is uniform over all numbers:
    /// devices that failed together must not come back together.
    fn wait_ms(&self, failures: u32, random: u64) -> u64;
}

/// Waits a uniform time from 0 to a limit that doubles with each failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullJitter {
    /// The limit after the first failure, in milliseconds.
    pub base_ms: u64,
    /// No limit is greater.
    pub cap_ms: u64,
}

impl Default for FullJitter {
    fn default() -> Self {
        Self {
            base_ms: 200,
            cap_ms: 30_000,
        }
    }
}

impl RetryPolicy for FullJitter {
    fn wait_ms(&self, failures: u32, random: u64) -> u64 {
        let doublings = failures.saturating_sub(1).min(20);
        let limit = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        // The bias of the remainder is far below what anyone can notice in a waiting time.
        random % limit.saturating_add(1)
    }
}

/// Draws a wait after `failures` failures in a row.
pub(crate) fn draw(config: &EngineConfig, failures: u32, env: &mut Env<'_>) -> u64 {
    config.retry.wait_ms(failures, env.entropy.next_u64())
}

/// Spreads a wait that the server asked for by up to a fifth, so that clients do not come back at once.
pub(crate) fn spread(asked_ms: u64, env: &mut Env<'_>) -> u64 {
    asked_ms.saturating_add(env.jitter(asked_ms / 5))
}
