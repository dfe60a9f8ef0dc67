//! Every developer command of Whimbrel. `cargo xtask help` lists them.
//!
//! CI runs these commands and nothing else, so that whatever is red there is one line to repeat here.
//!
//! ## Invariants
//!
//! - A command ends with exit code 0 iff what it names holds. Otherwise it prints the line that repeats it.
//! - No command needs anything installed but Rust, a C compiler and git; what is missing is replaced, or named.

mod bench;
mod ci;
mod conformance;
mod crash;
mod demo;
mod doc;
mod fmt;
mod lint;
mod process;
mod say;
mod server;
mod sim;
mod test;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use process::Failure;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The developer commands of Whimbrel"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Two people chat through a network cut, a killed app and a restarted server
    Demo(demo::Args),
    /// Kills real servers and clients at random, and judges what is left in their files
    Crash(crash::Args),
    /// Runs the server; everything after `server` goes to it
    Server(server::Args),
    /// Runs every test: unit, integration, end-to-end, doc tests and tidy
    Test,
    /// Runs clippy on everything; a warning is an error
    Lint,
    /// Formats the code
    Fmt(fmt::Args),
    /// Checks the rules of the house that no compiler checks
    Tidy,
    /// Builds the API documentation; a warning is an error
    Doc,
    /// Runs benches and draws their growth curves into docs/bench
    Bench(bench::Args),
    /// Runs the conformance suites of the seams on every implementation here
    Conformance(conformance::Args),
    /// Runs schedules of the simulator: devices, server and a bad network from one seed
    Sim(sim::Args),
    /// Runs what CI runs, in its order, with the time of each step
    Ci,
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => demo::run(&args),
            Self::Crash(args) => crash::run(&args),
            Self::Server(args) => server::run(&args),
            Self::Test => test::run(),
            Self::Lint => lint::run(),
            Self::Fmt(args) => fmt::run(&args),
            Self::Tidy => tidy::run(),
            Self::Doc => doc::run(),
            Self::Bench(args) => bench::run(&args),
            Self::Conformance(args) => conformance::run(&args),
            Self::Sim(args) => sim::run(&args),
            Self::Ci => ci::run(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::error(&failure);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
