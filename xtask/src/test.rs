//! `cargo xtask test`.

use crate::process::{Cargo, Failure};
use crate::{say, tidy};

pub(crate) fn run() -> Result<(), Failure> {
    tidy::run()?;
    Cargo::new(["test", "--workspace", "--doc"]).run()?;
    // Last, so that what is read last is the sum.
    if nextest_is_there() {
        Cargo::new(["nextest", "run", "--workspace"]).run()
    } else {
        say::progress("cargo-nextest is not installed: cargo test does the same, one binary after the other");
        Cargo::new(["test", "--workspace", "--all-targets"]).run()
    }
}

/// Returns whether `cargo nextest` can be used.
pub(crate) fn nextest_is_there() -> bool {
    Cargo::new(["nextest", "--version"]).works()
}
