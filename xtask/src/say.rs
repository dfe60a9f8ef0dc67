//! The only place that prints.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the developer is what xtask is for"
)]

use crate::process::Failure;
use std::fmt::Display;

/// Prints a result on standard output.
pub(crate) fn line(text: impl Display) {
    println!("{text}");
}

/// Prints what is going on on standard error, so that standard output stays clean for results.
pub(crate) fn progress(text: impl Display) {
    eprintln!("{text}");
}

/// Prints a failure and the line that repeats it.
pub(crate) fn error(failure: &Failure) {
    eprintln!("error: {}\nrepeat with: {}", failure.what, failure.repeat);
}
