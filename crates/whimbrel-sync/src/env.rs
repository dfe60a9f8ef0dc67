use uuid::Uuid;
use whimbrel_model::Timestamp;

/// A source of random numbers. In a test it is seeded.
pub trait Entropy {
    /// Draws the next number.
    fn next_u64(&mut self) -> u64;
}

/// The world at the moment of one input.
pub struct Env<'a> {
    /// A clock that never goes back, in milliseconds from any fixed moment. All waiting is measured with it.
    pub mono: u64,
    /// The device's wall clock, for display only. It may jump.
    pub wall: Timestamp,
    /// Randomness for ids and jitter.
    pub entropy: &'a mut dyn Entropy,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("mono", &self.mono)
            .field("wall", &self.wall)
            .finish_non_exhaustive()
    }
}

impl Env<'_> {
    /// Draws a number from `0..=max`.
    pub(crate) fn jitter(&mut self, max: u64) -> u64 {
        // The bias of the remainder is far below what anyone can notice in a waiting time.
        self.entropy.next_u64() % max.saturating_add(1)
    }
}

/// Makes UUIDv7 ids whose time never goes back, however the wall clock jumps.
///
/// Uniqueness rests on the 74 random bits; the time is a convenience for databases.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdSource {
    last_ms: u64,
}

impl IdSource {
    /// Makes the next id.
    pub fn next(&mut self, env: &mut Env<'_>) -> Uuid {
        let wall = u64::try_from(env.wall.as_millis()).unwrap_or(0);
        self.last_ms = self.last_ms.max(wall);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&env.entropy.next_u64().to_le_bytes());
        random[8..].copy_from_slice(&env.entropy.next_u64().to_le_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(self.last_ms, &random).into_uuid()
    }
}
