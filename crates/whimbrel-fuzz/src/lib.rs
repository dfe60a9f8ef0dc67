//! Fuzz targets: every parser of bytes from outside, as a plain function of bytes that asserts what has to hold.
//!
//! The same functions run twice: from `fuzz/` under libFuzzer for as long as one likes, and from this crate's tests on
//! stable, for a fixed number of inputs that [`mutate`] makes from each target's seeds. CONTRIBUTING.md says how, and
//! lists what parses outside bytes and by which target it is covered.
//!
//! To add one: write `fn(&[u8]) -> bool` with its seeds, and a line in [`TARGETS`]; `fuzz/Cargo.toml` gets a bin of the
//! same name.
//!
//! ## Invariants
//!
//! - A target is a function of its bytes: it reads no clock, draws no randomness and keeps nothing between calls.
//! - A target asserts properties, and returns whether the bytes were taken, so that a run can tell that it is not vacuous.
//! - Nothing outside a temporary directory is read or written, whatever the bytes name.

mod address;
mod archive;
mod config;
mod database;
mod door;
mod engine;
mod filter;
mod frames;
mod ids;
mod json;
mod mutate;
mod ops;
mod seeds;
mod session;
mod stored;
mod tokens;

pub use mutate::{Dice, mutate};

/// One parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as in `fuzz/`.
    pub name: &'static str,
    /// Runs it on some bytes. Returns whether they were taken.
    ///
    /// # Panics
    /// When what has to hold does not.
    pub run: fn(&[u8]) -> bool,
    /// Returns valid examples and near misses.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many inputs a bounded run makes.
    pub bounded: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "client_frame",
        run: frames::client_frame,
        seeds: || seeds::golden(&["client-"]),
        bounded: 4_000,
    },
    Target {
        name: "server_frame",
        run: frames::server_frame,
        seeds: || seeds::golden(&["server-"]),
        bounded: 4_000,
    },
    Target {
        name: "op",
        run: ops::envelope,
        seeds: seeds::envelopes,
        bounded: 4_000,
    },
    Target {
        name: "identity",
        run: ids::identity,
        seeds: ids::seeds,
        bounded: 20_000,
    },
    Target {
        name: "archive",
        run: archive::archive,
        seeds: archive::seeds,
        bounded: 4_000,
    },
    Target {
        name: "since",
        run: tokens::since,
        seeds: tokens::seeds,
        bounded: 1_000,
    },
    Target {
        name: "token",
        run: door::token,
        seeds: door::seeds,
        bounded: 2_000,
    },
    Target {
        name: "config",
        run: config::config,
        seeds: config::seeds,
        bounded: 500,
    },
    Target {
        name: "address",
        run: address::address,
        seeds: address::seeds,
        bounded: 10_000,
    },
    Target {
        name: "filter",
        run: filter::filter,
        seeds: filter::seeds,
        bounded: 2_000,
    },
    Target {
        name: "stored",
        run: stored::stored,
        seeds: stored::seeds,
        bounded: 2_000,
    },
    Target {
        name: "database",
        run: database::database,
        seeds: database::seeds,
        bounded: 40,
    },
    Target {
        name: "engine",
        run: engine::engine,
        seeds: engine::seeds,
        bounded: 600,
    },
    Target {
        name: "session",
        run: session::session,
        seeds: session::seeds,
        bounded: 300,
    },
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, and when what has to hold does not.
pub fn run(name: &str, bytes: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(bytes)
}
