//! Whether probabilities are what they say (Guo et al. 2017, arXiv 1706.04599, section 2).

use serde::Serialize;

/// Bins of equal width.
pub const BINS: usize = 15;

/// Predictions of like confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// How many.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that was right.
    pub accuracy: f64,
}

/// Confidence beside accuracy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: the mean over predictions of |accuracy − confidence| of their bin.
    pub error: f64,
    /// Bin `i` holds confidences above `i / 15` up to `(i + 1) / 15`; 0 belongs to the first.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Of (confidence, was it right). For several labels each decision of each class is one, with the probability of the
    /// answer that was given.
    pub fn of(predictions: impl Iterator<Item = (f64, bool)>) -> Self {
        let mut bins = vec![Bin::default(); BINS];
        let mut total = 0u64;
        for (confidence, right) in predictions {
            let at = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            bins[at].count += 1;
            bins[at].confidence += confidence;
            bins[at].accuracy += f64::from(u8::from(right));
            total += 1;
        }
        let mut error = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            bin.confidence /= bin.count as f64;
            bin.accuracy /= bin.count as f64;
            error += bin.count as f64 / total as f64 * (bin.accuracy - bin.confidence).abs();
        }
        Self { error, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nine_in_ten_and_is_right_half_the_time_is_off_by_the_difference() {
        let half = (0..10).map(|at| (0.9, at % 2 == 0));
        let calibration = Calibration::of(half);
        assert!((calibration.error - 0.4).abs() < 1e-12, "{calibration:?}");
        // 0.9 is 13.5 fifteenths.
        assert_eq!((calibration.bins[13].count, calibration.bins[13].accuracy), (10, 0.5));
        let honest = Calibration::of((0..10).map(|at| (0.6, at < 6)).chain([(0.0, false), (1.0, true)]));
        assert!(honest.error < 1e-12, "{honest:?}");
        assert_eq!((honest.bins[0].count, honest.bins[14].count), (1, 1));
        assert_eq!(Calibration::of(std::iter::empty()).error, 0.0);
    }
}
