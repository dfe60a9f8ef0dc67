//! Time that the test moves.
//!
//! A client and a [`TestServer`](crate::server::TestServer) measure every wait with tokio's clock, and take the time
//! of day from a [`TestClock`], which follows it. So under `#[tokio::test(start_paused = true)]` nothing waits for
//! real: tokio moves its clock to the next timer as soon as nothing else is to be done, and [`pass`] moves it on purpose.
//! Two days with a heartbeat every 30 s take a few seconds.
//!
//! | to let | use |
//! |---|---|
//! | time go by, with everything that happens meanwhile: heartbeats, retries, deadlines | [`pass`] |
//! | time jump, as over a suspended machine: every timer of in between fires once, late | [`tokio::time::advance`] |
//! | a wall clock be wrong | [`TestClock::set`] |
//!
//! It needs everything to be in memory: a thread or a socket that tokio waits for does not hold its clock back, and
//! deadlines would pass before a disk or a real network answers. Your tests need tokio with its feature `test-util`.
//!
//! ```
//! use std::time::Duration;
//! use whimbrel_testkit::{server::TestServer, time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! # runtime.block_on(async {
//! // Within #[tokio::test(start_paused = true)].
//! let server = TestServer::new();
//! let (ada, bob) = (server.client("ada").open().await?, server.client("bob").open().await?);
//! ada.connect().await?;
//! let channel = ada.channel("messaging:general")?;
//! channel.create("General", ["bob"]).await?;
//! bob.connect().await?;
//! server.converged(&[&ada, &bob]).await?;
//!
//! server.network().drop_next_event();
//! channel.send("whoever misses this").await?.settled().await?;
//! let theirs = bob.channel("messaging:general")?.timeline().await?;
//! assert!(theirs.items().is_empty());
//! time::pass(Duration::from_secs(30)).await; // The next heartbeat heals it.
//! assert_eq!(theirs.items().len(), 1);
//! # Ok(())
//! # })
//! # }
//! ```

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_client::{Environment, SystemEnvironment};
use whimbrel_hub::Clock;
use whimbrel_model::Timestamp;

/// What a [`TestClock`] shows at first: the beginning of 2026. The same in every run, so that what a test prints is.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// A wall clock that begins at [`START`] and follows tokio's clock, paused or not.
///
/// A clone is another handle to the same clock. It is a client's [`Environment`], with the operating system's randomness,
/// and a hub's [`Clock`]: [`TestServer`](crate::server::TestServer) gives one clock to everybody, so a device that has a
/// wrong one needs its own: `server.client("ada").environment(Arc::new(clock))`.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<Reading>>);

/// What it showed when it was last set.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    shown: Timestamp,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// Starts a clock at [`START`].
    #[must_use]
    pub fn new() -> Self {
        let (at, shown) = (Instant::now(), START);
        Self(Arc::new(Mutex::new(Reading { at, shown })))
    }

    /// Returns what it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let Reading { at, shown } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp(shown.as_millis().saturating_add(since))
    }

    /// Makes it show `time`, earlier or later, and go on from there. No wait becomes longer or shorter.
    pub fn set(&self, time: Timestamp) {
        let (at, shown) = (Instant::now(), time);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reading { at, shown };
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

impl Environment for TestClock {
    fn wall(&self) -> Timestamp {
        self.now()
    }

    fn next_u64(&self) -> u64 {
        SystemEnvironment.next_u64()
    }
}

/// Lets `duration` of tokio's paused time go by, with everything that happens meanwhile, each at its own moment.
///
/// Two weeks with a connected client are some hundred thousand heartbeats: to let that much go by, disconnect first, or
/// jump with [`tokio::time::advance`].
///
/// # Panics
/// When tokio's clock is not paused: start the test with `#[tokio::test(start_paused = true)]`.
pub async fn pass(duration: Duration) {
    // This is what panics.
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(duration).await; // tidy: allow sleep: in paused time it takes none
}
