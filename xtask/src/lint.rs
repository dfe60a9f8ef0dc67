//! `cargo xtask lint`.

use crate::process::{Cargo, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    Cargo::new(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()
}
