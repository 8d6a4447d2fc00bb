//! Several labels at once, decided by a threshold.

use serde::Serialize;

use super::ClassScores;
use super::confusion::mean;

/// Decisions beside truths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thresholded {
    /// A class is said to be there from this probability on.
    pub threshold: f64,
    /// How well each class was found.
    pub per_class: Vec<ClassScores>,
    /// Of all decisions as one class.
    pub micro: ClassScores,
    /// The mean F1 over classes that occur in truths or decisions.
    pub macro_f1: Option<f64>,
    /// The share of images all of whose labels are right; `None` without an image.
    pub exact: Option<f64>,
    /// The share of decisions that are wrong; `None` without one.
    pub hamming: Option<f64>,
}

impl Thresholded {
    /// # Shapes
    /// `(rows, classes)`, both.
    ///
    /// # Panics
    /// Where they differ in size or have no class.
    pub fn of(probabilities: &[f32], truths: &[bool], classes: usize, threshold: f64) -> Self {
        assert_eq!(probabilities.len(), truths.len(), "a truth for each probability");
        // Right, wrongly said, missed.
        let mut counts = vec![[0u64; 3]; classes];
        let (mut exact, mut rows) = (0u64, 0u64);
        for (row, truths) in probabilities.chunks_exact(classes).zip(truths.chunks_exact(classes)) {
            let mut all = true;
            for ((count, &probability), &truth) in counts.iter_mut().zip(row).zip(truths) {
                let said = f64::from(probability) >= threshold;
                all &= said == truth;
                match (said, truth) {
                    (true, true) => count[0] += 1,
                    (true, false) => count[1] += 1,
                    (false, true) => count[2] += 1,
                    (false, false) => {}
                }
            }
            exact += u64::from(all);
            rows += 1;
        }
        let scores = |[right, wrong, missed]: [u64; 3]| ClassScores::of(right, wrong, missed);
        let per_class: Vec<ClassScores> = counts.iter().copied().map(scores).collect();
        let total = counts.iter().fold([0; 3], |sum, count| [0, 1, 2].map(|at| sum[at] + count[at]));
        Self {
            threshold,
            macro_f1: mean(per_class.iter().filter_map(|class| class.f1)),
            per_class,
            micro: scores(total),
            exact: (rows > 0).then(|| exact as f64 / rows as f64),
            hamming: (rows > 0).then(|| (total[1] + total[2]) as f64 / (rows * classes as u64) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_counted_by_class_and_by_image() {
        let probabilities = [0.9, 0.2, 0.6, 0.5, 0.1, 0.7];
        let truths = [true, false, false, true, true, true];
        let found = Thresholded::of(&probabilities, &truths, 2, 0.5);
        // Class 0 is said of images 0 and 1, and true of 0 and 2; class 1 is right everywhere.
        assert_eq!(found.per_class[0], ClassScores::of(1, 1, 1));
        assert_eq!(found.per_class[1], ClassScores::of(2, 0, 0));
        assert_eq!(found.micro, ClassScores::of(3, 1, 1));
        assert_eq!((found.macro_f1, found.exact, found.hamming), (Some(0.75), Some(1.0 / 3.0), Some(2.0 / 6.0)));
        assert_eq!(Thresholded::of(&[], &[], 2, 0.5).exact, None);
    }
}
