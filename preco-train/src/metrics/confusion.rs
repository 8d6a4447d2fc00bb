//! Which class was taken for which: counts of (truth, prediction), and the scores that follow from them.
//!
//! Rows are truth, columns predictions, as in scikit-learn's `confusion_matrix`. Samples are added one by one or in
//! parts that are merged, in any order, to the same counts. Samples that are to be ignored are not added.

use serde::Serialize;

use super::class_scores::{Averages, ClassScores};
use super::inputs;
use super::share::{mean, share};
use crate::error::{Error, Result};

/// The most classes: their counts take 2 GiB.
pub const MOST_CLASSES: usize = 1 << 14;

/// Counts of samples by truth and prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// No samples yet.
    ///
    /// # Errors
    /// [`Error::Config`] for no class or more than [`MOST_CLASSES`].
    pub fn new(classes: usize) -> Result<Self> {
        if classes == 0 || classes > MOST_CLASSES {
            return Err(Error::config(format!("{classes} classes cannot be confused: 1 to {MOST_CLASSES} can")));
        }
        Ok(Self { classes, counts: vec![0; classes * classes] })
    }

    /// Counts one sample.
    ///
    /// # Errors
    /// [`Error::Measure`] where either is no class; nothing is counted then.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        inputs::class("a truth", truth, self.classes)?;
        inputs::class("a prediction", predicted, self.classes)?;
        self.counts[truth * self.classes + predicted] += 1;
        Ok(())
    }

    /// Adds the samples of `other`.
    ///
    /// # Panics
    /// Where `other` has not as many classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "confusions of as many classes");
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// How many classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// `(classes, classes)`, rows truth.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many samples.
    pub fn samples(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of samples whose prediction is the truth; `None` without samples.
    pub fn accuracy(&self) -> Option<f64> {
        share((0..self.classes).map(|class| self.right(class)).sum(), self.samples())
    }

    /// The scores of each class against all others.
    pub fn per_class(&self) -> Vec<ClassScores> {
        let mut predicted = vec![0; self.classes];
        for row in self.counts.chunks_exact(self.classes) {
            predicted.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        let support = self.counts.chunks_exact(self.classes).map(|row| row.iter().sum());
        let sums = predicted.into_iter().zip(support).enumerate();
        sums.map(|(class, (predicted, support))| ClassScores::of(self.right(class), predicted, support)).collect()
    }

    /// The means over the classes that occur in truth or predictions, as scikit-learn's `macro` with `zero_division=0`:
    /// a class that is predicted and that no sample has counts with recall 0. `None` without samples.
    pub fn macro_averages(&self) -> Averages {
        Averages::of(self.per_class().iter().filter(|class| class.occurs()))
    }

    /// The mean F1 over the classes that occur in truth or predictions; `None` without samples.
    pub fn macro_f1(&self) -> Option<f64> {
        self.macro_averages().f1
    }

    /// The mean recall over the classes that samples have, scikit-learn's `balanced_accuracy_score`; `None` without
    /// samples.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        mean(self.per_class().iter().filter_map(|class| class.recall))
    }

    fn right(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }
}

#[cfg(test)]
mod tests {
    use preco_core::rng::Stream;

    use super::*;

    fn counted(classes: usize, pairs: &[(usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(classes).expect("classes");
        pairs.iter().for_each(|&(truth, predicted)| confusion.add(truth, predicted).expect("classes"));
        confusion
    }

    #[test]
    fn scores_are_those_counted_by_hand() {
        // Class 2 is predicted once and nobody's; class 3 occurs nowhere.
        let confusion = counted(4, &[(0, 0), (0, 0), (0, 1), (0, 2), (1, 1), (1, 0)]);
        assert_eq!(confusion.counts()[..4], [2, 1, 1, 0]);
        assert_eq!(confusion.accuracy(), Some(0.5));
        let classes = confusion.per_class();
        assert_eq!(classes.iter().map(|class| class.support).collect::<Vec<_>>(), [4, 2, 0, 0]);
        assert_eq!(
            classes.iter().map(|class| class.precision).collect::<Vec<_>>(),
            [Some(2.0 / 3.0), Some(0.5), Some(0.0), None]
        );
        assert_eq!(classes.iter().map(|class| class.recall).collect::<Vec<_>>(), [Some(0.5), Some(0.5), None, None]);
        assert_eq!(
            classes.iter().map(|class| class.f1).collect::<Vec<_>>(),
            [Some(4.0 / 7.0), Some(0.5), Some(0.0), None]
        );
        // Three classes occur, two have samples.
        assert_eq!(confusion.macro_f1(), Some((4.0 / 7.0 + 0.5) / 3.0));
        assert_eq!(confusion.macro_averages().recall, Some(1.0 / 3.0));
        assert_eq!(confusion.balanced_accuracy(), Some(0.5));
    }

    #[test]
    fn merged_parts_in_any_order_are_the_whole() {
        let mut stream = Stream::new(3, "confusion", 0, 0);
        let mut draw = || (5.0 * stream.uniform()) as usize;
        let pairs: Vec<(usize, usize)> = (0..200).map(|_| (draw(), draw())).collect();
        let whole = counted(5, &pairs);
        let (first, second) = pairs.split_at(77);
        let reversed: Vec<_> = second.iter().rev().copied().collect();
        let mut merged = counted(5, &reversed);
        merged.merge(&counted(5, first));
        assert_eq!(merged, whole);
        assert_eq!(merged.samples(), 200);
    }

    #[test]
    fn without_samples_there_are_no_scores() {
        let empty = Confusion::new(2).expect("classes");
        assert_eq!((empty.accuracy(), empty.macro_f1(), empty.balanced_accuracy()), (None, None, None));
        assert_eq!(serde_json::to_string(&empty.per_class()[0]).expect("JSON"), {
            r#"{"support":0,"precision":null,"recall":null,"f1":null}"#
        });
    }

    #[test]
    fn what_is_no_class_is_refused_and_not_counted() {
        let mut confusion = Confusion::new(3).expect("classes");
        let report = confusion.add(255, 0).expect_err("no class").to_string();
        assert!(report.contains("a truth is class 255, and there are 3"), "{report}");
        confusion.add(0, 3).expect_err("no class");
        assert_eq!(confusion.samples(), 0);
        for classes in [0, MOST_CLASSES + 1, usize::MAX] {
            Confusion::new(classes).expect_err("refused before anything is allocated");
        }
    }

    #[test]
    #[should_panic(expected = "confusions of as many classes")]
    fn confusions_of_other_classes_do_not_merge() {
        counted(2, &[]).merge(&counted(3, &[]));
    }
}
