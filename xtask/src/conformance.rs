//! `cargo xtask conformance`.
//!
//! A suite is a macro of whimbrel-testkit that an implementation calls in its own tests; the module that it makes
//! carries the name of the suite, which is what is selected here.

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
    /// Returns what the names of its tests have in common.
    fn filter(self) -> &'static str {
        match self {
            Self::Store => "store_conformance::",
            Self::Storage => "storage_conformance::",
            Self::Transport => "transport_conformance::",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let seams = if args.seams.is_empty() {
        Seam::value_variants()
    } else {
        &args.seams
    };
    let filters = seams.iter().map(|seam| seam.filter());
    let cargo = if test::nextest_is_there() {
        Cargo::new(
            ["nextest", "run", "--workspace", "--no-tests", "fail", "--"]
                .into_iter()
                .chain(filters),
        )
    } else {
        Cargo::new(
            ["test", "--workspace", "--all-targets", "--"]
                .into_iter()
                .chain(filters),
        )
    };
    cargo.run()
}
