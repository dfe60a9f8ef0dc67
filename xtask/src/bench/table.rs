//! The table that a person reads.

use super::{Figure, exponent, series};

const TITLES: [&str; 8] = [
    "id",
    "bench",
    "size",
    "value",
    "reference",
    "ratio",
    "goal",
    "met",
];

/// Renders the figures as a table, with the growth of each series below it.
pub(super) fn render(figures: &[Figure]) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(figures.iter().map(cells));
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in &rows {
        let padded: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    for series in series(figures) {
        if let Some(exponent) = exponent(series) {
            let first = &series[0];
            text.push_str(&format!(
                "{} {} grows with size^{exponent:.2}\n",
                first.id, first.name
            ));
        }
    }
    text
}

fn cells(figure: &Figure) -> [String; 8] {
    let met = match figure.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None if figure.goal.is_some() => "undecided: the machine is too busy",
        None => "",
    };
    [
        figure.id.clone(),
        figure.name.clone(),
        figure.size.to_string(),
        format!("{} {}", rounded(figure.value), figure.unit),
        rounded(figure.reference),
        format!("{:.2}", figure.ratio),
        figure.goal.clone().unwrap_or_default(),
        met.to_owned(),
    ]
}

/// Writes a number with about three digits that count.
fn rounded(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::figure;
    use super::*;

    #[test]
    fn columns_are_aligned_and_growth_is_named() {
        let text = render(&[
            figure("ingest rate", 1, 1234.5),
            figure("ingest rate", 100, 1234.5),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0].find("bench"), lines[1].find("ingest"));
        assert!(
            lines[1].ends_with("yes") && lines[1].contains("1234 ops/s"),
            "{text}"
        );
        let undecided = Figure {
            met: None,
            ..figure("ingest rate", 1, 1.0)
        };
        assert!(render(&[undecided]).contains("undecided"));
        assert_eq!(lines[3], "P2 ingest rate grows with size^0.00");
    }
}
