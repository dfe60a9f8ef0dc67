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
    /// Let the power go under the databases of device and server instead, in this process
    #[arg(long)]
    power_loss: bool,
    /// How often the power goes, with `--power-loss`
    #[arg(long, default_value_t = 1_000)]
    cuts: u64,
    /// Print the sums as JSON in the last line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.power_loss {
        return power_loss(args);
    }
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

fn power_loss(args: &Args) -> Result<(), Failure> {
    let run = [
        "run",
        "--quiet",
        "--package",
        "whimbrel-powerloss",
        "--",
        "--cuts",
    ];
    let mut words: Vec<String> = run.map(str::to_owned).into();
    words.push(args.cuts.to_string());
    if let Some(seed) = args.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    words.extend(args.json.then(|| "--json".to_owned()));
    Cargo::new(words).run()
}
