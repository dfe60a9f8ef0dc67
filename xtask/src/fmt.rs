//! `cargo xtask fmt`.

use crate::process::{Cargo, Failure};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Changes nothing, and fails if there is something to change
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let check: &[&str] = if args.check { &["--check"] } else { &[] };
    Cargo::new(["fmt", "--all"].iter().chain(check).copied()).run()
}
