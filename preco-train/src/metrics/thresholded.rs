//! Labels that are predicted where their probability is above a threshold: precision, recall, F1 and whole answers.
//!
//! `micro` counts every (sample, class) alike; `macro` is the mean over all classes, as scikit-learn's for label matrices
//! with `zero_division=0`: a class that no sample has and no prediction names counts 0 there, and `None` in `per_class`.

use serde::Serialize;

use super::class_scores::{Averages, ClassScores};
use super::inputs;
use super::share::share;
use crate::error::{Error, Result};

/// The usual threshold of a probability.
pub const THRESHOLD: f32 = 0.5;

/// What predictions at a threshold are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thresholded {
    /// A label is predicted where its score is greater. At [`THRESHOLD`] a head that answers 0.5 to everything, as one of
    /// zeros does, predicts nothing.
    pub threshold: f32,
    /// How many samples.
    pub samples: u64,
    /// Of each class.
    pub per_class: Vec<ClassScores>,
    /// The means over all classes, 0 for scores that are `None`; `None` without samples.
    #[serde(rename = "macro")]
    pub macro_: Averages,
    /// Of all decisions together.
    pub micro: ClassScores,
    /// The share of samples with all their labels and no other (subset accuracy); `None` without samples.
    pub exact_match: Option<f64>,
    /// The share of (sample, class) that are wrong; `None` without samples.
    pub hamming_loss: Option<f64>,
}

impl Thresholded {
    /// The scores of predictions `scores > threshold`. Probabilities or logits, with a threshold of their kind.
    ///
    /// # Shapes
    /// `scores` and `truth` `(samples, classes)`.
    ///
    /// # Errors
    /// [`Error::Config`] for a threshold that is NaN; [`Error::Measure`] for such a score.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn of(scores: &[f32], truth: &[bool], classes: usize, threshold: f32) -> Result<Self> {
        let samples = inputs::rows_of_both(scores, truth, classes) as u64;
        if threshold.is_nan() {
            return Err(Error::config(format!("no score is above a threshold of NaN: a number, such as {THRESHOLD}")));
        }
        inputs::numbers(scores, classes)?;
        // Right, predicted and true, of each class.
        let mut counts = vec![[0u64; 3]; classes];
        let (mut exact, mut wrong) = (0, 0);
        for (row, truths) in scores.chunks_exact(classes).zip(truth.chunks_exact(classes)) {
            let mut errors = 0;
            for (count, (&score, &is_true)) in counts.iter_mut().zip(row.iter().zip(truths)) {
                let is_predicted = score > threshold;
                count[0] += u64::from(is_predicted && is_true);
                count[1] += u64::from(is_predicted);
                count[2] += u64::from(is_true);
                errors += u64::from(is_predicted != is_true);
            }
            exact += u64::from(errors == 0);
            wrong += errors;
        }
        let per_class: Vec<ClassScores> =
            counts.iter().map(|&[right, predicted, support]| ClassScores::of(right, predicted, support)).collect();
        let sum = |which: usize| counts.iter().map(|count| count[which]).sum();
        Ok(Self {
            threshold,
            samples,
            macro_: Averages::of(per_class.iter().filter(|_| samples > 0)),
            micro: ClassScores::of(sum(0), sum(1), sum(2)),
            per_class,
            exact_match: share(exact, samples),
            hamming_loss: share(wrong, scores.len() as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_counted_by_hand() {
        // Predicted: 1 1 0 0 / 1 0 0 0 / 0 0 0 0, at 0.5 exactly not.
        let scores = [0.9, 0.6, 0.5, 0.1, 0.7, 0.2, 0.1, 0.0, 0.4, 0.3, 0.2, 0.1];
        let truth = [1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0].map(|truth| truth == 1);
        let measured = Thresholded::of(&scores, &truth, 4, THRESHOLD).expect("numbers");
        let scores_of = |support, precision, recall, f1| ClassScores { support, precision, recall, f1 };
        assert_eq!(
            measured.per_class,
            [
                scores_of(2, Some(1.0), Some(1.0), Some(1.0)),
                scores_of(0, Some(0.0), None, Some(0.0)),
                scores_of(2, Some(0.0), Some(0.0), Some(0.0)),
                scores_of(0, None, None, None),
            ]
        );
        assert_eq!(measured.macro_, Averages { precision: Some(0.25), recall: Some(0.25), f1: Some(0.25) });
        // 2 of 3 predictions right, 2 of 4 labels found.
        assert_eq!(measured.micro, scores_of(4, Some(2.0 / 3.0), Some(0.5), Some(4.0 / 7.0)));
        assert_eq!((measured.exact_match, measured.hamming_loss), (Some(1.0 / 3.0), Some(0.25)));
    }

    #[test]
    fn logits_at_zero_are_probabilities_at_a_half() {
        let logits = [-3.0, 0.0, 2.0, 1e-3, -1e-3, 40.0f32];
        let mut probabilities = logits;
        preco_core::losses::classification::sigmoid(&mut probabilities);
        let truth = [false, true, true, true, true, false];
        let of = |scores: &[f32], threshold| Thresholded::of(scores, &truth, 2, threshold).expect("numbers");
        assert_eq!(Thresholded { threshold: THRESHOLD, ..of(&logits, 0.0) }, of(&probabilities, THRESHOLD));
    }

    #[test]
    fn without_samples_there_are_no_scores() {
        let empty = Thresholded::of(&[], &[], 3, THRESHOLD).expect("nothing to refuse");
        assert_eq!(empty.per_class.len(), 3);
        assert_eq!((empty.macro_.f1, empty.micro.f1, empty.exact_match, empty.hamming_loss), (None, None, None, None));
    }

    #[test]
    fn nan_is_an_error_as_score_and_as_threshold() {
        let report = Thresholded::of(&[0.1, f32::NAN], &[true; 2], 1, THRESHOLD).expect_err("NaN").to_string();
        assert!(report.contains("sample 1"), "{report}");
        Thresholded::of(&[0.1, 0.2], &[true; 2], 1, f32::NAN).expect_err("NaN");
    }
}
