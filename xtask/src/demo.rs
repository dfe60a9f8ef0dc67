//! `cargo xtask demo`: builds the server and the clients, and tells the story.

use crate::process::{Cargo, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End after the story, with status 0 only if everything converged
    #[arg(long)]
    once: bool,
    /// Print the verdict as JSON in the last line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let programs = [
        "build",
        "--package",
        "whimbrel-server",
        "--package",
        "whimbrel-e2e",
        "--bins",
    ];
    Cargo::new(programs).run()?;
    let story = [
        "run",
        "--quiet",
        "--package",
        "whimbrel-e2e",
        "--bin",
        "whimbrel-demo",
        "--",
    ];
    let flags = [(args.once, "--once"), (args.json, "--json")];
    let flags = flags
        .into_iter()
        .filter_map(|(given, flag)| given.then_some(flag));
    Cargo::new(story.into_iter().chain(flags)).run()
}
