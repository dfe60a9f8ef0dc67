//! `cargo xtask conformance`.
//!
//! A suite is a macro of whimbrel-testkit that an implementation calls in its own tests, in a module whose name ends
//! with `conformance`: that is what is selected here.

use crate::process::{Cargo, Failure};
use crate::test;
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which seams; all of them if none is named
    seams: Vec<Seam>,
}

/// A seam that has a conformance suite.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Seam {
    /// The client's database
    Store,
    /// The server's database
    Storage,
    /// The connection between them
    Transport,
}

impl Seam {
    /// Returns the packages that have an implementation.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Store => &["whimbrel-store", "whimbrel-store-sqlite"],
            Self::Storage => &["whimbrel-hub", "whimbrel-server"],
            Self::Transport => &["whimbrel-transport", "whimbrel-transport-ws"],
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let seams = if args.seams.is_empty() {
        Seam::value_variants()
    } else {
        &args.seams
    };
    // Each by itself: one without a test would not be missed among others.
    for package in seams.iter().flat_map(|seam| seam.packages()) {
        run_suite(package)?;
    }
    Ok(())
}

fn run_suite(package: &str) -> Result<(), Failure> {
    let call: &[&str] = if test::nextest_is_there() {
        &[
            "nextest",
            "run",
            "--no-tests",
            "fail",
            "--package",
            package,
            "conformance::",
        ]
    } else {
        &["test", "--package", package, "--test", "it", "conformance::"]
    };
    Cargo::new(call.iter().copied()).run()
}
