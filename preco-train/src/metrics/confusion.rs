//! Which class was taken for which.

use serde::Serialize;

/// Counts of (truth, prediction).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    classes: usize,
    /// Rows are truths, columns predictions.
    counts: Vec<u64>,
}

/// How well a class was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// Images of the class.
    pub support: u64,
    /// Of images that were taken for it, the share that is; `None` where none was.
    pub precision: Option<f64>,
    /// Of its images, the share that was found; `None` where it has none.
    pub recall: Option<f64>,
    /// `2 tp / (2 tp + fp + fn)`; `None` where the class neither is nor was predicted.
    pub f1: Option<f64>,
}

impl ClassScores {
    /// Of counts of right, wrongly predicted and missed images.
    pub(super) fn of(right: u64, wrong: u64, missed: u64) -> Self {
        let share = |of: u64| (of > 0).then(|| right as f64 / of as f64);
        Self {
            support: right + missed,
            precision: share(right + wrong),
            recall: share(right + missed),
            f1: (right + wrong + missed > 0).then(|| 2.0 * right as f64 / (2 * right + wrong + missed) as f64),
        }
    }
}

impl Confusion {
    /// Nothing yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// An image of class `truth` was taken for `predicted`.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth < self.classes && predicted < self.classes, "{truth}, {predicted} of {} classes", self.classes);
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// How many images of class `truth` were taken for `predicted`.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        assert!(predicted < self.classes, "{predicted} of {} classes", self.classes);
        self.counts[truth * self.classes + predicted]
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of images whose class was found; `None` without an image.
    pub fn accuracy(&self) -> Option<f64> {
        let right: u64 = (0..self.classes).map(|class| self.count(class, class)).sum();
        (self.total() > 0).then(|| right as f64 / self.total() as f64)
    }

    /// How well each class was found.
    pub fn per_class(&self) -> Vec<ClassScores> {
        let scores = |class: usize| {
            let right = self.count(class, class);
            let predicted: u64 = (0..self.classes).map(|truth| self.count(truth, class)).sum();
            let support: u64 = (0..self.classes).map(|predicted| self.count(class, predicted)).sum();
            ClassScores::of(right, predicted - right, support - right)
        };
        (0..self.classes).map(scores).collect()
    }

    /// The mean F1 over classes that occur in truths or predictions, as scikit-learn's `macro`.
    pub fn macro_f1(&self) -> Option<f64> {
        mean(self.per_class().iter().filter_map(|class| class.f1))
    }

    /// The mean recall over classes that have images: balanced accuracy.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        mean(self.per_class().iter().filter_map(|class| class.recall))
    }
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u64);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_classes_have_the_scores_of_their_counts() {
        let mut confusion = Confusion::new(4);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (2, 1)] {
            confusion.add(truth, predicted);
        }
        assert_eq!((confusion.total(), confusion.accuracy()), (5, Some(0.6)));
        let scores = confusion.per_class();
        assert_eq!((scores[0].precision, scores[0].recall), (Some(1.0), Some(2.0 / 3.0)));
        assert_eq!((scores[1].precision, scores[1].recall, scores[1].f1), (Some(1.0 / 3.0), Some(1.0), Some(0.5)));
        assert_eq!((scores[2].support, scores[2].precision, scores[2].f1), (1, None, Some(0.0)));
        assert_eq!(scores[3], ClassScores { support: 0, precision: None, recall: None, f1: None });
        // (0.8 + 0.5 + 0) / 3: the fourth class is nowhere.
        assert!((confusion.macro_f1().expect("classes") - 1.3 / 3.0).abs() < 1e-15);
        assert!((confusion.balanced_accuracy().expect("classes") - 5.0 / 9.0).abs() < 1e-15);
        assert_eq!(Confusion::new(3).accuracy(), None);
    }
}
