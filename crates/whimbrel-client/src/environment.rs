use std::fmt::Debug;
use tokio::time::Instant;
use whimbrel_model::Timestamp;

/// The wall clock and the source of randomness: what a test replaces. Waiting is measured with tokio's clock.
pub trait Environment: Debug + Send + Sync + 'static {
    /// Reads the wall clock. Only displayed times come from it.
    fn wall(&self) -> Timestamp;

    /// Draws a random number.
    fn next_u64(&self) -> u64;
}

/// The operating system's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn wall(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place on the client that reads the wall clock"
        )]
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn next_u64(&self) -> u64 {
        // Without randomness ids would repeat, and a repeated id is a lost message: there is nothing better to do.
        getrandom::u64().expect("the operating system has no randomness")
    }
}

/// The monotonic clock of one client, in milliseconds since it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn at(self, millis: u64) -> Instant {
        self.0 + std::time::Duration::from_millis(millis)
    }
}
