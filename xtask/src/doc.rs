//! `cargo xtask doc`.

use crate::process::{Cargo, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    Cargo::new(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}
