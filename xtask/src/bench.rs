//! `cargo xtask bench`: runs the benches of `xtask/bench`, built as a user would build them, and shows what they found.
//!
//! A bench is never a test: a goal that is not met is shown, and is no failure.

mod curve;
mod table;

use crate::process::{Cargo, Failure};
use crate::{say, workspace};
use serde::Deserialize;
use std::fs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which, by id or name; all of them if none is named
    names: Vec<String>,
    /// Prints one JSON object a line in place of the table
    #[arg(long)]
    json: bool,
    /// Takes few samples of small sizes, and leaves the drawn curves as they are
    #[arg(long)]
    quick: bool,
}

/// One figure, as the bench prints it.
#[derive(Clone, Debug, Deserialize)]
struct Figure {
    /// Number in the list of goals: `P1` to `P12`.
    id: String,
    /// What was measured.
    name: String,
    /// How big the thing was that it was measured on.
    size: u64,
    value: f64,
    unit: String,
    /// What the reference gave in the same run.
    reference: f64,
    /// The median of the ratios of each run to its reference.
    ratio: f64,
    /// Absent: the figure is there for the curve only.
    goal: Option<String>,
    /// Absent with a goal: the run could not tell.
    met: Option<bool>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut call: Vec<String> = ["run", "--quiet", "--release", "--package", "whimbrel-bench", "--"]
        .map(str::to_owned)
        .to_vec();
    call.extend(args.quick.then(|| "--quick".to_owned()));
    call.extend(args.names.iter().cloned());
    let output = Cargo::new(call).output()?;
    if args.json {
        say::line(output.trim_end());
    }
    let figures = output
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Figure>, _>>()
        .map_err(|error| {
            Failure::new(
                format!("a bench printed what is no figure: {error}"),
                "cargo xtask bench",
            )
        })?;
    if !args.json {
        say::line(table::render(&figures));
    }
    if !args.quick {
        draw(&figures).map_err(|error| {
            Failure::new(format!("cannot write docs/bench: {error}"), "cargo xtask bench")
        })?;
    }
    Ok(())
}

/// Draws each series of figures into `docs/bench`.
fn draw(figures: &[Figure]) -> std::io::Result<()> {
    let directory = workspace::root().join("docs/bench");
    fs::create_dir_all(&directory)?;
    for series in series(figures) {
        let first = &series[0];
        let file = format!("{}-{}.svg", first.id, first.name.replace(' ', "-"));
        fs::write(directory.join(file), curve::draw(series))?;
    }
    Ok(())
}

/// Splits the figures into the sizes of each measured thing.
fn series(figures: &[Figure]) -> impl Iterator<Item = &[Figure]> {
    figures.chunk_by(|a, b| (&a.id, &a.name) == (&b.id, &b.name))
}

/// Returns the exponent with which `value` grows with `size`: 0 is flat, 1 is in proportion.
fn exponent(series: &[Figure]) -> Option<f64> {
    let (first, last) = (series.first()?, series.last()?);
    let grown = (last.size as f64 / first.size as f64).ln();
    (grown > 0.0).then(|| (last.value / first.value).ln() / grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn figure(name: &str, size: u64, value: f64) -> Figure {
        Figure {
            id: "P2".to_owned(),
            name: name.to_owned(),
            size,
            value,
            unit: "ops/s".to_owned(),
            reference: 2.0 * value,
            ratio: 0.5,
            goal: (size == 1).then(|| "≥ 0.4 × raw".to_owned()),
            met: (size == 1).then_some(true),
        }
    }

    #[test]
    fn a_figure_is_read_as_it_is_printed() {
        let line = r#"{"id":"P8","name":"state","size":1000,"value":3.5,"unit":"µs","reference":5.0,"ratio":0.7,"goal":null,"met":null}"#;
        let figure: Figure = serde_json::from_str(line).unwrap();
        assert_eq!((figure.size, figure.goal), (1000, None));
    }

    #[test]
    fn growth_is_an_exponent() {
        let with =
            |values: [f64; 2]| exponent(&[figure("a", 1, values[0]), figure("a", 100, values[1])]).unwrap();
        assert!(with([5.0, 5.0]).abs() < 1e-9);
        assert!((with([5.0, 500.0]) - 1.0).abs() < 1e-9);
        assert_eq!(exponent(&[figure("a", 1, 5.0)]), None);
    }

    #[test]
    fn series_are_told_apart_by_what_was_measured() {
        let figures = [figure("a", 1, 1.0), figure("a", 2, 1.0), figure("b", 1, 1.0)];
        let lengths: Vec<usize> = series(&figures).map(<[Figure]>::len).collect();
        assert_eq!(lengths, [2, 1]);
    }
}
