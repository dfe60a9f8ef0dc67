//! Growth curves: one SVG for each series, both axes logarithmic, so that a power law is a straight line.

use super::{Figure, exponent};
use std::fmt::Write as _;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 56.0;

/// Draws one series beside its reference.
pub(super) fn draw(series: &[Figure]) -> String {
    let sizes = Axis::over(
        series.iter().map(|figure| figure.size as f64),
        MARGIN,
        WIDTH - 20.0,
    );
    let values = series.iter().flat_map(|figure| [figure.value, figure.reference]);
    let values = Axis::over(values, HEIGHT - MARGIN, 48.0);
    let first = &series[0];
    let growth = exponent(series)
        .map(|exponent| format!(", size^{exponent:.2}"))
        .unwrap_or_default();
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{MARGIN}" y="20" font-size="14">{} {} ({}){growth}</text>
<text x="{MARGIN}" y="36" fill="#1f6feb">measured</text><text x="120" y="36" fill="#9a6700">reference</text>
"##,
        first.id, first.name, first.unit
    );
    for figure in series {
        let x = sizes.at(figure.size as f64);
        let _ = writeln!(
            svg,
            r##"<line x1="{x:.1}" y1="48" x2="{x:.1}" y2="{0:.1}" stroke="#d0d7de"/><text x="{x:.1}" y="{1:.1}" text-anchor="middle">{2}</text>"##,
            HEIGHT - MARGIN,
            HEIGHT - MARGIN + 16.0,
            figure.size
        );
    }
    for power in values.powers() {
        let (value, y) = (10_f64.powi(power), values.at(10_f64.powi(power)));
        let _ = writeln!(
            svg,
            r##"<line x1="{MARGIN}" y1="{y:.1}" x2="{0:.1}" y2="{y:.1}" stroke="#d0d7de"/><text x="{1:.1}" y="{y:.1}" text-anchor="end">{value}</text>"##,
            WIDTH - 20.0,
            MARGIN - 6.0
        );
    }
    let point = |size: u64, value: f64| (sizes.at(size as f64), values.at(value));
    line(
        &mut svg,
        "#9a6700",
        series.iter().map(|figure| point(figure.size, figure.reference)),
    );
    line(
        &mut svg,
        "#1f6feb",
        series.iter().map(|figure| point(figure.size, figure.value)),
    );
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
        points.join(" ")
    );
}

/// A logarithmic axis over whole powers of ten.
struct Axis {
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

impl Axis {
    /// Creates the axis that holds `values`, drawn from the coordinate `from` to `to`.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs: Vec<f64> = values.map(|value| value.max(1e-9).log10()).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        Self {
            low: low as i32,
            high: high.max(low + 1.0) as i32,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.max(1e-9).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn powers(&self) -> impl Iterator<Item = i32> {
        self.low..=self.high
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::figure;
    use super::*;

    #[test]
    fn a_tenfold_step_has_one_length() {
        let axis = Axis::over([1.0, 100.0].into_iter(), 0.0, 200.0);
        assert_eq!(
            [1.0, 10.0, 100.0].map(|value| axis.at(value)),
            [0.0, 100.0, 200.0]
        );
    }

    #[test]
    fn a_curve_has_both_lines_and_every_size() {
        let svg = draw(&[figure("ingest rate", 1, 10.0), figure("ingest rate", 256, 900.0)]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">256<") && svg.ends_with("</svg>\n"));
    }
}
