//! `cargo xtask sim`: runs schedules of the simulator and prints what they came to.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use serde_json::{Value, json};
use std::{process::ExitCode, time::Instant};
use whimbrel_testkit::sim::{Counters, Cut, Day, Fault, Mutant, PATHS, Total, day, shrink};

/// Schedules from which on a path that was never taken is a failure.
const VACUOUS_FROM: u64 = 1_000;

/// Schedules in which a mutant has to be caught, unless told otherwise: the rarest needs some ten thousand.
const MUTANT_SCHEDULES: u64 = 30_000;

/// Failures after which a mutant counts as caught often enough.
const CAUGHT: usize = 20;

/// Failures that are told in full.
const TOLD: usize = 1;

#[derive(Debug)]
struct Args {
    schedules: Option<u64>,
    seed: u64,
    mutants: bool,
    only: Option<Mutant>,
    json: bool,
    day: bool,
    devices: u64,
}

fn args() -> Result<Args, String> {
    let mut args = Args {
        schedules: None,
        seed: 1,
        mutants: false,
        only: None,
        json: false,
        day: false,
        devices: 1_000,
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut number = || {
            let text = given.next().ok_or_else(|| format!("{flag} needs a number"))?;
            text.parse()
                .map_err(|_| format!("{flag} needs a number, not {text}"))
        };
        match flag.as_str() {
            "--schedules" => args.schedules = Some(number()?),
            "--seed" => args.seed = number()?,
            "--mutants" => args.mutants = true,
            "--json" => args.json = true,
            "--day" => args.day = true,
            "--devices" => args.devices = number()?,
            "--mutant" => {
                let name = given.next().unwrap_or_default();
                args.only = Some(Mutant::named(&name).ok_or_else(|| format!("there is no mutant {name}"))?);
            }
            other => return Err(format!("{other} is not understood")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let done = args().map(|args| {
        if args.day {
            a_day(&args)
        } else if args.mutants {
            mutants(&args)
        } else {
            schedules(&args)
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the speed of a run is measured here, and nothing in it depends on it"
)]
fn start() -> Instant {
    Instant::now()
}

/// Runs schedules; the result is whether all held, and none was missed.
fn schedules(args: &Args) -> bool {
    let begin = start();
    let total = Total::of(args.seed, args.schedules.unwrap_or(1_000), args.only, usize::MAX);
    let seconds = begin.elapsed().as_secs_f64();
    let repeats = repeats(args, total.schedules);
    for (seed, violation) in total.failures.iter().skip(TOLD) {
        println!("seed {seed}: {violation}");
    }
    for (seed, _) in total.failures.iter().take(TOLD) {
        tell(*seed, args.only);
    }
    let missing = total.counters.missing();
    let vacuous = total.schedules >= VACUOUS_FROM && !missing.is_empty() && args.only.is_none();
    if vacuous {
        println!("vacuous: never reached: {}", missing.join(", "));
    }
    let report = json!({
        "schedules": total.schedules,
        "violations": total.failures.len(),
        "messages": total.messages,
        "schedules_per_second": (total.schedules as f64 / seconds).round(),
        "repeated": repeats.0,
        "faults": counted(&total.counters, Fault::ALL.iter().map(|fault| fault.name())),
        "paths": counted(&total.counters, PATHS.iter().copied()),
    });
    print_report(args, &report);
    total.failures.is_empty() && !vacuous && repeats.1
}

/// Runs a day of a crowd; the result is whether all lists were right in the evening.
fn a_day(args: &Args) -> bool {
    let begin = start();
    let done = day(Day::of(args.seed, args.devices));
    let seconds = begin.elapsed().as_secs_f64();
    match done {
        Err(violation) => {
            println!("{violation}");
            println!(
                "again: cargo xtask sim --day --devices {} --seed {}",
                args.devices, args.seed
            );
            false
        }
        Ok(total) => {
            let report = json!({
                "devices": total.devices,
                "channels": total.channels,
                "accepted": total.accepted,
                "messages": total.messages,
                "lists": total.lists,
                "answers": total.answers,
                "queries": total.queries,
                "rows": total.rows,
                "partial": total.partial,
                "seconds": seconds.round(),
                "faults": counted(&total.counters, Fault::ALL.iter().map(|fault| fault.name())),
                "paths": counted(&total.counters, PATHS.iter().copied()),
            });
            print_report(args, &report);
            true
        }
    }
}

/// Runs one seed in a hundred again. Returns how many, and whether each came to the same.
fn repeats(args: &Args, schedules: u64) -> (u64, bool) {
    let mut count = 0;
    for seed in (args.seed..args.seed + schedules).step_by(100) {
        let [one, other] = [0, 1].map(|_| whimbrel_testkit::sim::tell(seed, args.only, &Cut::default()));
        count += 1;
        if one.story != other.story || one.counters != other.counters {
            println!("seed {seed} is not the same twice");
            return (count, false);
        }
    }
    (count, true)
}

fn counted(counters: &Counters, names: impl Iterator<Item = &'static str>) -> Value {
    names
        .map(|name| (name.to_owned(), json!(counters.get(name))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Tells a failure as small as it can be made.
fn tell(seed: u64, mutant: Option<Mutant>) {
    let small = shrink(seed, mutant);
    for line in &small.outcome.story {
        println!("{line}");
    }
    let without = Fault::ALL
        .iter()
        .filter(|fault| !small.cut.without.has(**fault))
        .map(|fault| fault.name());
    println!(
        "seed {seed}, with {} actions and these faults: {}",
        small.cut.actions,
        without.collect::<Vec<_>>().join(", ")
    );
    if let Some(violation) = &small.outcome.violation {
        println!("{violation}");
    }
    println!("again: cargo xtask sim --schedules 1 --seed {seed}");
}

/// Runs every mutant; the result is whether each was caught.
fn mutants(args: &Args) -> bool {
    let mut all = true;
    let mut rows = Vec::new();
    for mutant in Mutant::ALL
        .iter()
        .filter(|mutant| args.only.is_none_or(|only| only == **mutant))
    {
        let total = Total::of(
            args.seed,
            args.schedules.unwrap_or(MUTANT_SCHEDULES),
            Some(*mutant),
            CAUGHT,
        );
        let mut by: Vec<&str> = total
            .failures
            .iter()
            .map(|(_, violation)| violation.invariant)
            .collect();
        by.sort_unstable();
        by.dedup();
        let first = total.failures.first().map(|(seed, _)| seed - args.seed + 1);
        let rate = total.failures.len() as f64 / total.schedules as f64;
        all &= first.is_some();
        println!(
            "{:<24} {:>6.2} %  first {:<5} {}",
            mutant.name(),
            rate * 100.0,
            first.map_or_else(|| "never".to_owned(), |first| first.to_string()),
            by.join(" ")
        );
        rows.push(json!({
            "name": mutant.name(),
            "caught": first.is_some(),
            "invariant": by.join(" "),
            "first_schedule": first,
            "rate": rate,
        }));
    }
    println!("{}", json!({ "mutants": rows }));
    all
}

fn print_report(args: &Args, report: &Value) {
    if args.json {
        println!("{report}");
    } else if let Ok(text) = serde_json::to_string_pretty(report) {
        println!("{text}");
    }
}
