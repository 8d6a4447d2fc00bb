//! Differences between two arms, seed by seed.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Share of such intervals that hold the true mean, if differences are normal.
const CONFIDENCE: f64 = 0.95;

/// The mean of paired differences with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Each pair's difference.
    pub differences: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Student's interval of 95 % around the mean; nothing of fewer than two pairs.
    pub interval: Option<[f64; 2]>,
}

impl Paired {
    /// Of the pairs `(one, other)`: one minus other. `None` of no pair.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(one, other)| one - other).collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let interval = (differences.len() > 1).then(|| {
            let variance = differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            // A distribution of one degree of freedom or more always is one.
            let quantile =
                StudentsT::new(0.0, 1.0, n - 1.0).map_or(f64::NAN, |t| t.inverse_cdf(0.5 + CONFIDENCE / 2.0));
            let half = quantile * (variance / n).sqrt();
            [mean - half, mean + half]
        });
        (!differences.is_empty()).then_some(Self { differences, mean, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // The quantile of four degrees of freedom is 2.776445 in every table.
        let pairs = [1.1, 2.3, 0.7, 1.9, 1.5].map(|value| (value + 3.0, 3.0));
        let paired = Paired::of(&pairs).expect("pairs");
        let [low, high] = paired.interval.expect("five");
        assert!((paired.mean - 1.5).abs() < 1e-12);
        assert!((low - 0.714_703).abs() < 1e-6 && (high - 2.285_297).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn one_pair_has_no_interval_and_none_no_mean() {
        assert_eq!(Paired::of(&[(2.0, 1.5)]), Some(Paired { differences: vec![0.5], mean: 0.5, interval: None }));
        assert_eq!(Paired::of(&[]), None);
    }
}
