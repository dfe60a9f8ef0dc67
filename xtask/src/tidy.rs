//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! A check is a function from the [`Repo`] to [`Problem`]s, so that a test can hand it a small repository that has to
//! fail. `cargo test -p xtask` runs all of them on this one.

mod arrows;
mod docs;
mod manifests;
mod marks;
mod repo;
mod sizes;

use crate::process::Failure;
use crate::say;
use repo::Repo;
use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// Path from the root.
    file: String,
    /// Line, from 1. 0: the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    what: String,
}

impl Problem {
    fn new(file: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// Every check.
const CHECKS: &[fn(&Repo) -> Vec<Problem>] = &[
    arrows::inner,
    arrows::outer,
    sizes::files,
    sizes::traits,
    sizes::facade,
    sizes::modules,
    marks::unfinished,
    marks::sleeps,
    marks::machine_paths,
    manifests::packages,
    manifests::crate_docs,
    manifests::lock,
    docs::features,
    docs::lessons,
    docs::dependencies,
];

fn check(repo: &Repo) -> Vec<Problem> {
    CHECKS.iter().flat_map(|check| check(repo)).collect()
}

pub(crate) fn run() -> Result<(), Failure> {
    let repo = Repo::read()?;
    for note in sizes::long_files(&repo) {
        say::progress(format_args!("note: {note}"));
    }
    let problems = check(&repo);
    for problem in &problems {
        say::progress(problem);
    }
    if problems.is_empty() {
        say::progress("tidy: no problems");
        return Ok(());
    }
    Err(Failure::new(
        format!("tidy found {} problems", problems.len()),
        "cargo xtask tidy",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let problems = check(&Repo::read().unwrap());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }

    #[test]
    fn a_problem_says_where() {
        assert_eq!(Problem::new("a.rs", 3, "is odd").to_string(), "a.rs:3: is odd");
        assert_eq!(Problem::new("a.rs", 0, "is odd").to_string(), "a.rs: is odd");
    }
}
