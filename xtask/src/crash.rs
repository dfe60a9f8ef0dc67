//! `cargo xtask crash`: builds the server and the clients, and kills them at random.

use crate::process::{Cargo, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rounds to play
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The seed of the first round; each next round has the next number. Drawn if absent
    #[arg(long)]
    seed: Option<u64>,
    /// Play the scenario of a full disk instead of the rounds
    #[arg(long)]
    disk_full: bool,
    /// Print the sums as JSON in the last line
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
    let crash = [
        "run",
        "--quiet",
        "--package",
        "whimbrel-e2e",
        "--bin",
        "whimbrel-crash",
        "--",
    ];
    let mut words: Vec<String> = crash.map(str::to_owned).into();
    words.extend(["--rounds".to_owned(), args.rounds.to_string()]);
    if let Some(seed) = args.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    let flags = [(args.disk_full, "--disk-full"), (args.json, "--json")];
    let given = flags.into_iter().filter(|(given, _)| *given);
    words.extend(given.map(|(_, flag)| flag.to_owned()));
    Cargo::new(words).run()
}
