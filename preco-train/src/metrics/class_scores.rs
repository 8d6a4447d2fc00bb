//! Precision, recall and F1 from counts, and what they are where a count is 0.
//!
//! With `t` right of `p` predicted and `s` true: precision `t / p`, recall `t / s`, F1 `2t / (p + s)`. scikit-learn's
//! `zero_division=0` makes each 0 where its divisor is. Here a class that nobody has and nobody predicts has no
//! scores, and one that nobody has no recall; sums take scikit-learn's 0 for them, so means are the same.

use serde::Serialize;

use super::share::{mean, share};

/// The scores of one class, or of all decisions together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// How many samples have the class.
    pub support: u64,
    /// The share of predictions that are right; 0 for a class that samples have and nobody predicts; `None` where the
    /// class occurs in neither.
    pub precision: Option<f64>,
    /// The share of the class's samples that are found; `None` without any.
    pub recall: Option<f64>,
    /// The harmonic mean of both; `None` where the class occurs in neither truth nor predictions.
    pub f1: Option<f64>,
}

impl ClassScores {
    /// The scores for `right` of `predicted` and of `support`.
    pub(super) fn of(right: u64, predicted: u64, support: u64) -> Self {
        let occurs = predicted > 0 || support > 0;
        Self {
            support,
            precision: occurs.then(|| share(right, predicted).unwrap_or(0.0)),
            recall: share(right, support),
            f1: share(2 * right, predicted + support),
        }
    }

    /// True where samples have the class or predictions name it.
    pub fn occurs(&self) -> bool {
        self.f1.is_some()
    }
}

/// Means over classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Averages {
    /// Of the precisions.
    pub precision: Option<f64>,
    /// Of the recalls.
    pub recall: Option<f64>,
    /// Of the F1s, not the F1 of the other two.
    pub f1: Option<f64>,
}

impl Averages {
    /// The unweighted means over `classes`, 0 for each score that is `None`.
    pub(super) fn of<'a>(classes: impl Iterator<Item = &'a ClassScores> + Clone) -> Self {
        let over =
            |score: fn(&ClassScores) -> Option<f64>| mean(classes.clone().map(|class| score(class).unwrap_or(0.0)));
        Self {
            precision: over(|class| class.precision),
            recall: over(|class| class.recall),
            f1: over(|class| class.f1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_divided_by_nothing_is_none_or_scikit_learns_zero() {
        let scores = |right, predicted, support| {
            let scores = ClassScores::of(right, predicted, support);
            (scores.precision, scores.recall, scores.f1)
        };
        assert_eq!(scores(3, 4, 6), (Some(0.75), Some(0.5), Some(0.6)));
        assert_eq!(scores(0, 0, 6), (Some(0.0), Some(0.0), Some(0.0)));
        assert_eq!(scores(0, 4, 0), (Some(0.0), None, Some(0.0)));
        assert_eq!(scores(0, 0, 0), (None, None, None));
    }

    #[test]
    fn means_take_none_as_zero() {
        let classes = [ClassScores::of(3, 4, 6), ClassScores::of(0, 4, 0)];
        let averages = Averages::of(classes.iter());
        assert_eq!(averages, Averages { precision: Some(0.375), recall: Some(0.25), f1: Some(0.3) });
        assert_eq!(Averages::of([].iter()), Averages { precision: None, recall: None, f1: None });
    }
}
