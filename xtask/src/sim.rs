//! `cargo xtask sim`: runs the simulator, built as a user would build it, since the number of schedules is what counts.

use crate::process::{Cargo, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many schedules: 1,000, or with `--mutants` up to 10,000 of each
    #[arg(long)]
    schedules: Option<u64>,
    /// The seed of the first; the next ones follow it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Switches one protection off at a time; each has to be caught
    #[arg(long)]
    mutants: bool,
    /// Runs with this protection switched off
    #[arg(long)]
    mutant: Option<String>,
    /// Runs a day of a thousand devices instead, whose lists have to be the server's answers in the evening
    #[arg(long)]
    day: bool,
    /// With `--day`: how many devices
    #[arg(long, requires = "day")]
    devices: Option<u64>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// What is run on each push.
    pub(crate) fn of_a_push(mutants: bool) -> Self {
        Self {
            schedules: (!mutants).then_some(10_000),
            seed: 1,
            mutants,
            mutant: None,
            day: false,
            devices: None,
            json: false,
        }
    }

    /// The day that is run on each push.
    pub(crate) fn of_a_day() -> Self {
        Self {
            schedules: None,
            day: true,
            ..Self::of_a_push(false)
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let program = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "whimbrel-testkit",
        "--bin",
        "whimbrel-sim",
        "--",
    ];
    let mut call: Vec<String> = program.map(str::to_owned).to_vec();
    call.extend(["--seed".to_owned(), args.seed.to_string()]);
    if let Some(schedules) = args.schedules {
        call.extend(["--schedules".to_owned(), schedules.to_string()]);
    }
    if let Some(devices) = args.devices {
        call.extend(["--devices".to_owned(), devices.to_string()]);
    }
    let flags = [
        (args.mutants, "--mutants"),
        (args.day, "--day"),
        (args.json, "--json"),
    ];
    for (given, flag) in flags {
        call.extend(given.then(|| flag.to_owned()));
    }
    if let Some(mutant) = &args.mutant {
        call.extend(["--mutant".to_owned(), mutant.clone()]);
    }
    Cargo::new(call).run()
}
