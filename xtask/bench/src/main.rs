//! The benches that `cargo xtask bench` runs. One JSON object a line on standard output, what goes on on standard
//! error.
//!
//! ## Invariants
//!
//! - Every figure has a reference that was measured in the same run, in turns with it: the machine's load moves both.
//!   Bytes and frames, which no load moves, are compared with what they should be.
//! - A figure is a median; a ratio is the median of the ratios of each round.
//! - A bench that cannot run is an error. A goal that is not met is a figure.

mod account;
mod ask;
mod catchup;
mod clock;
mod coldstart;
mod counted;
mod crowd;
mod device;
mod disk;
mod echo;
mod figure;
mod helper;
mod herd;
mod idle;
mod ingest;
mod memory;
mod query;
mod raw;
mod rounds;
mod sample;
mod scroll;
mod search;
mod serve;
mod state;
mod words;

use clap::Parser as _;
use figure::{Figure, Plan, Result};
use helper::Role;
use std::process::ExitCode;

#[derive(Debug, clap::Parser)]
struct Args {
    /// Which, by id or name; all of them if none is named
    names: Vec<String>,
    /// Few samples of small sizes
    #[arg(long)]
    quick: bool,
    /// What this process is there for, if it is part of a bench
    #[arg(long, hide = true)]
    role: Option<String>,
}

/// One bench: what it measures at three sizes, against what.
struct Bench {
    id: &'static str,
    name: &'static str,
    measures: &'static str,
    run: fn(&Plan) -> Result<Vec<Figure>>,
}

const BENCHES: &[Bench] = &[
    Bench {
        id: "P8",
        name: "memory",
        measures: "what an open channel takes in memory, as opened and when all of it was scrolled through",
        run: memory::run,
    },
    Bench {
        id: "P2",
        name: "ingest",
        measures: "messages through a hub into its SQLite file, durable before the answer, 1 to 256 senders",
        run: ingest::run,
    },
    Bench {
        id: "P5",
        name: "echo",
        measures: "an own message until it is stored and shown, without a network, 1,000 to 100,000 messages on disk",
        run: echo::run,
    },
    Bench {
        id: "P7",
        name: "coldstart",
        measures: "opening the database and the first 30 channels, 100 to 10,000 of them with 100 messages each",
        run: coldstart::run,
    },
    Bench {
        id: "P8",
        name: "state",
        measures: "one new message into an observed timeline, from the delta to the diff",
        run: state::run,
    },
    Bench {
        id: "P8",
        name: "scroll",
        measures: "a page of older messages from disk into the observed timeline, at growing depth",
        run: scroll::run,
    },
    Bench {
        id: "P10",
        name: "query",
        measures: "the first 30 channels of a filter and an order, of 100 to 100,000 channels on the device",
        run: query::run,
    },
    Bench {
        id: "P10",
        name: "ask",
        measures: "the first 30 channels of a filter and an order, of 100 to 10,000 channels of a user, from the server's file",
        run: ask::run,
    },
    Bench {
        id: "P11",
        name: "search",
        measures: "the newest 20 of 10,000 to 1,000,000 messages on the device with some words in them",
        run: search::run,
    },
    Bench {
        id: "P6",
        name: "catchup",
        measures: "10,000 to 450,000 missed messages, and 50 to 5,000 channels that moved, until stored and shown",
        run: catchup::run,
    },
    Bench {
        id: "P4",
        name: "idle",
        measures: "connections with nothing going on, and coming back to nothing new, 1,000 to 8,000 clients",
        run: idle::run,
    },
    Bench {
        id: "P9",
        name: "herd",
        measures: "clients that come back at once after a crash of the server, with missed messages, 500 to 5,000",
        run: herd::run,
    },
];

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a command that reports"
)]
fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(role) = &args.role {
        let role = serde_json::from_str(role).map_err(Into::into);
        return match role.and_then(Role::play) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!(
                    "{} cannot go on: {error}",
                    args.role.as_deref().unwrap_or_default()
                );
                ExitCode::FAILURE
            }
        };
    }
    let known = |name: &String| BENCHES.iter().any(|bench| bench.is_called(name));
    if let Some(name) = args.names.iter().find(|name| !known(name)) {
        let all: Vec<String> = BENCHES
            .iter()
            .map(|bench| format!("{} {}", bench.id, bench.name))
            .collect();
        eprintln!("there is no bench {name}; there are: {}", all.join(", "));
        return ExitCode::FAILURE;
    }
    for bench in BENCHES {
        if !args.names.is_empty() && !args.names.iter().any(|name| bench.is_called(name)) {
            continue;
        }
        eprintln!("{} {}: {}", bench.id, bench.name, bench.measures);
        let outcome = Plan::new(args.quick).and_then(|plan| (bench.run)(&plan));
        let lines = outcome.and_then(|figures| figures.iter().map(Figure::line).collect::<Result<Vec<_>>>());
        match lines {
            Ok(lines) => lines.iter().for_each(|line| println!("{line}")),
            Err(error) => {
                eprintln!("{} {} cannot run: {error}", bench.id, bench.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

impl Bench {
    fn is_called(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.name == name
    }
}
