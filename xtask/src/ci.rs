//! `cargo xtask ci`.

use crate::process::Failure;
use crate::{doc, fmt, lint, say, sim, test, tidy};
use std::time::{Duration, Instant};

/// One of the other commands: its words and what it does.
type Step = (&'static str, fn() -> Result<(), Failure>);

/// The steps of CI: the commands that a developer has too.
const STEPS: &[Step] = &[
    ("fmt --check", || fmt::run(&fmt::Args { check: true })),
    ("lint", lint::run),
    ("tidy", tidy::run),
    ("test", test::run),
    ("doc", doc::run),
    ("sim --schedules 10000", || sim::run(&sim::Args::of_a_push(false))),
    ("sim --mutants", || sim::run(&sim::Args::of_a_push(true))),
    ("sim --day", || sim::run(&sim::Args::of_a_day())),
];

/// Runs every step, the later ones too when one fails, and sums up.
pub(crate) fn run() -> Result<(), Failure> {
    let mut failed = Vec::new();
    let mut report = Vec::new();
    for (name, step) in STEPS {
        let (outcome, took) = timed(step);
        let word = if outcome.is_ok() { "ok" } else { "failed" };
        report.push(format!(
            "{word:>8}  {:>6.1} s  cargo xtask {name}",
            took.as_secs_f64()
        ));
        if let Err(failure) = outcome {
            say::error(&failure);
            failed.push(*name);
        }
    }
    for line in report {
        say::line(line);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let repeat = failed.iter().map(|name| format!("cargo xtask {name}"));
    Err(Failure::new(
        format!("{} of {} steps failed", failed.len(), STEPS.len()),
        repeat.collect::<Vec<_>>().join("; "),
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step takes is what this measures"
)]
fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = step();
    (outcome, start.elapsed())
}
