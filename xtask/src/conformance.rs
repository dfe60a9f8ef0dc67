//! `cargo xtask conformance`: the suites on what is here, on a crate of somebody else, or on a running server.
//!
//! A suite of a seam is a macro of whimbrel-testkit that an implementation calls in its own tests, in a module whose name
//! ends with `conformance`: that is what is selected here. Only the implementation's own crate can build it, so for a
//! crate from elsewhere this runs that crate's tests, and says which suites were among them.

use crate::process::{Cargo, Failure};
use crate::{say, test, workspace};
use clap::ValueEnum;
use std::{fs, path::Path, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which seams; all of them if none is named
    #[arg(conflicts_with_all = ["manifest_path", "server"])]
    seams: Vec<Seam>,
    /// Runs the suites that the crate with this manifest calls in its tests, wherever it is
    #[arg(long, value_name = "CARGO_TOML", conflicts_with = "server")]
    manifest_path: Option<PathBuf>,
    /// Runs the protocol suite against a running server of any make: its address, then where tokens come from (`--dev`,
    /// `--secret-file`, `--token`, `--token-command`); `--server --help` shows everything
    #[arg(long, value_name = "URL [ARGUMENT]", num_args = 1.., allow_hyphen_values = true)]
    server: Vec<String>,
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
    /// Returns the packages that have an implementation.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Store => &["whimbrel-store", "whimbrel-store-sqlite"],
            Self::Storage => &["whimbrel-hub", "whimbrel-server"],
            Self::Transport => &["whimbrel-transport", "whimbrel-transport-ws"],
        }
    }
}

/// A suite: what it is called, and the cases by which it is known.
const SUITES: &[(&str, &[&str])] = &[
    (
        "store_conformance!",
        &[
            "a_delta_is_applied_as_a_whole_or_not_at_all",
            "random_deltas_read_like_the_naive_model",
        ],
    ),
    (
        "transport_conformance!",
        &[
            "frames_arrive_whole_and_in_order_both_ways",
            "one_connector_opens_connections_that_do_not_mix",
        ],
    ),
    (
        "storage_conformance!",
        &[
            "random_groups_are_answered_as_in_memory",
            "a_closed_storage_says_so",
        ],
    ),
];

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(manifest) = &args.manifest_path {
        return run_elsewhere(manifest);
    }
    if !args.server.is_empty() {
        return run_server(&args.server);
    }
    let seams = if args.seams.is_empty() {
        Seam::value_variants()
    } else {
        &args.seams
    };
    // Each by itself: one without a test would not be missed among others.
    for package in seams.iter().flat_map(|seam| seam.packages()) {
        run_suite(package)?;
    }
    Ok(())
}

fn run_suite(package: &str) -> Result<(), Failure> {
    let call: &[&str] = if test::nextest_is_there() {
        &[
            "nextest",
            "run",
            "--no-tests",
            "fail",
            "--package",
            package,
            "conformance::",
        ]
    } else {
        &["test", "--package", package, "--test", "it", "conformance::"]
    };
    Cargo::new(call.iter().copied()).run()
}

/// Runs the program with the protocol suite; it says by itself what it does not understand.
fn run_server(args: &[String]) -> Result<(), Failure> {
    let program = [
        "run",
        "--quiet",
        "--package",
        "whimbrel-e2e",
        "--bin",
        "whimbrel-conformance",
        "--",
    ];
    let is_help = args.first().is_some_and(|first| first.starts_with('-'));
    let server = (!is_help).then_some("--server");
    let words = program.into_iter().chain(server).map(str::to_owned);
    Cargo::new(words.chain(args.iter().cloned())).run()
}

/// Runs the suites of a crate that need not be here.
fn run_elsewhere(manifest: &Path) -> Result<(), Failure> {
    let repeat = format!("cargo xtask conformance --manifest-path {}", manifest.display());
    let failure = |what: String| Failure::new(what, repeat.clone());
    let manifest = fs::canonicalize(manifest)
        .map_err(|error| failure(format!("there is no {}: {error}", manifest.display())))?;
    if let Some(own) = manifest.parent().filter(|dir| is_example(dir)) {
        // The versions of everything are those that were tried.
        let locks = (workspace::root().join("Cargo.lock"), own.join("Cargo.lock"));
        fs::copy(&locks.0, &locks.1)
            .map_err(|error| failure(format!("cannot write its lock file: {error}")))?;
    }
    let path = manifest.display().to_string();
    let listed = Cargo::new(["test", "--manifest-path", &path, "--tests", "--", "--list"]).output()?;
    let suites = suites_among(&listed);
    if suites.is_empty() {
        return Err(failure(format!(
            "{path} has no test of a suite: call {} in a module whose name ends with `conformance`",
            SUITES
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    Cargo::new(["test", "--manifest-path", &path, "--tests", "conformance::"]).run()?;
    say::line(format_args!("{path} passes {}", suites.join(", ")));
    Ok(())
}

fn is_example(dir: &Path) -> bool {
    fs::canonicalize(workspace::root().join("docs/examples")).is_ok_and(|examples| dir.starts_with(examples))
}

/// Returns the suites whose cases are in a list of tests, as cargo prints it.
fn suites_among(listed: &str) -> Vec<&'static str> {
    let tests: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let has = |case: &&str| {
        tests
            .iter()
            .any(|test| test.ends_with(&format!("conformance::{case}")))
    };
    let whole = SUITES.iter().filter(|(_, cases)| cases.iter().all(has));
    whole.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_known_by_its_cases() {
        let listed = "\
            store_conformance::a_delta_is_applied_as_a_whole_or_not_at_all: test\n\
            store_conformance::random_deltas_read_like_the_naive_model: test\n\
            mine::frames_arrive_whole_and_in_order_both_ways: test\n\
            conformance::random_groups_are_answered_as_in_memory: test\n\
            \n5 tests, 0 benchmarks\n";
        assert_eq!(suites_among(listed), ["store_conformance!"]);
        assert!(suites_among("").is_empty());
    }

    #[test]
    fn the_cases_that_a_suite_is_known_by_are_in_it() {
        let suites = workspace::root().join("crates/whimbrel-testkit/src/conformance");
        for (name, cases) in SUITES {
            let file = name.trim_end_matches("_conformance!");
            let text = fs::read_to_string(suites.join(format!("{file}.rs"))).unwrap();
            assert!(cases.iter().all(|case| text.contains(case)), "{name}");
        }
    }

    #[test]
    fn a_manifest_that_is_not_there_is_named() {
        let failure = run_elsewhere(Path::new("nowhere/Cargo.toml")).unwrap_err();
        assert!(failure.what.contains("nowhere/Cargo.toml"), "{}", failure.what);
    }
}
