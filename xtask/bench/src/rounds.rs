//! Measuring in turns.

use crate::figure::Result;

/// A measurement beside its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compared {
    /// Median of the subject.
    pub(crate) value: f64,
    /// Median of the reference.
    pub(crate) reference: f64,
    /// Median of the ratios of each round.
    pub(crate) ratio: f64,
}

/// Measures `subject` and `reference` in turns, `rounds` times, and takes medians.
pub(crate) async fn in_turns(
    rounds: usize,
    mut subject: impl AsyncFnMut() -> Result<f64>,
    mut reference: impl AsyncFnMut() -> Result<f64>,
) -> Result<Compared> {
    let mut values = Vec::with_capacity(rounds);
    let mut references = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        references.push(reference().await?);
        values.push(subject().await?);
    }
    let ratios = values
        .iter()
        .zip(&references)
        .map(|(value, reference)| value / reference);
    Ok(Compared {
        ratio: median(ratios.collect()),
        value: median(values),
        reference: median(references),
    })
}

/// Returns the median; of an even number the upper one of the middle. Of nothing it is 0.
pub(crate) fn median(samples: Vec<f64>) -> f64 {
    percentile(samples, 0.5)
}

/// Returns the sample that `part` of all are below, such as 0.99. Of nothing it is 0.
pub(crate) fn percentile(mut samples: Vec<f64>, part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = (samples.len() as f64 * part) as usize;
    samples.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(Vec::new()), 0.0);
        let hundred: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(percentile(hundred, 0.99), 99.0);
    }

    #[tokio::test]
    async fn subject_and_reference_take_turns() {
        let turns = std::cell::RefCell::new(String::new());
        let compared = in_turns(
            3,
            async || {
                turns.borrow_mut().push('s');
                Ok(4.0)
            },
            async || {
                turns.borrow_mut().push('r');
                Ok(8.0)
            },
        );
        let compared = compared.await.unwrap();
        assert_eq!(turns.into_inner(), "rsrsrs");
        assert_eq!(
            (compared.value, compared.reference, compared.ratio),
            (4.0, 8.0, 0.5)
        );
    }
}
