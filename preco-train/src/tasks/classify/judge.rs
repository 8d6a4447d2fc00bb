//! What a classifier's probabilities are worth, beside the truth.

use preco_core::spec::Labelling;
use serde::Serialize;

use crate::metrics::{Calibration, Confusion, MeanPrecision, Thresholded, highest, per_batch, top_k};

/// From this probability on a class is said to be there, where there may be several.
const THRESHOLD: f64 = 0.5;
/// Classes among which the truth is looked for.
const TOP: usize = 5;
/// The batch of SeCo's figure.
const SECO_BATCH: usize = 128;

/// Figures of one kind of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// One label for each image.
    Single(Single),
    /// Several.
    Several(Several),
}

/// Figures of one label for each image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Single {
    /// Images.
    pub images: usize,
    /// The share whose class has the highest probability.
    pub top1: f64,
    /// The share whose class is among the five highest.
    pub top5: f64,
    /// The mean F1 over classes that occur.
    pub macro_f1: Option<f64>,
    /// The mean recall over classes that have images.
    pub balanced_accuracy: Option<f64>,
    /// Which was taken for which.
    pub confusion: Confusion,
    /// Whether probabilities are what they say.
    pub calibration: Calibration,
}

/// Figures of several labels for an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Several {
    /// Images.
    pub images: usize,
    /// Average precision of each class, and both means of it.
    pub average_precision: MeanPrecision,
    /// SeCo's figure, micro-averaged in batches of 128 and then over batches; `None` below one batch.
    pub seco_batches: Option<f64>,
    /// Decisions at one half.
    pub decisions: Thresholded,
    /// Whether probabilities are what they say.
    pub calibration: Calibration,
}

impl Figures {
    /// The figure that decides which of two models is better: top-1 accuracy, or the mean average precision over classes.
    /// 0 where there is none.
    pub fn first(&self) -> f64 {
        match self {
            Self::Single(single) => single.top1,
            Self::Several(several) => several.average_precision.over_classes.unwrap_or(0.0),
        }
    }

    /// Names and values of what one wants to see at a glance, shares of 1.
    pub fn glance(&self) -> Vec<(&'static str, Option<f64>)> {
        match self {
            Self::Single(single) => vec![
                ("top-1 accuracy", Some(single.top1)),
                ("top-5 accuracy", Some(single.top5)),
                ("F1, mean over classes", single.macro_f1),
                ("recall, mean over classes", single.balanced_accuracy),
                ("expected calibration error", Some(single.calibration.error)),
            ],
            Self::Several(several) => vec![
                ("mAP, mean over classes", several.average_precision.over_classes),
                ("mAP, micro over all decisions", several.average_precision.over_decisions),
                ("mAP, micro per batch of 128 (SeCo)", several.seco_batches),
                ("F1, micro at 0.5", several.decisions.micro.f1),
                ("F1, mean over classes at 0.5", several.decisions.macro_f1),
                ("all labels right at 0.5", several.decisions.exact),
                ("expected calibration error", Some(several.calibration.error)),
            ],
        }
    }
}

/// The figures of `probabilities`; `None` without an image.
///
/// # Shapes
/// `(images, classes)`, and the classes of each image.
///
/// # Panics
/// Where they differ in number.
pub fn measure(probabilities: &[f32], truths: &[Vec<usize>], classes: usize, labelling: Labelling) -> Option<Figures> {
    assert_eq!(probabilities.len(), truths.len() * classes, "a row for each image");
    if truths.is_empty() {
        return None;
    }
    let rows = || probabilities.chunks_exact(classes);
    Some(match labelling {
        Labelling::Single => {
            let truths: Vec<usize> = truths.iter().map(|truth| truth.first().copied().unwrap_or(0)).collect();
            let mut confusion = Confusion::new(classes);
            rows().zip(&truths).for_each(|(row, &truth)| confusion.add(truth, highest(row)));
            let answers = rows().zip(&truths).map(|(row, &truth)| {
                let class = highest(row);
                (f64::from(row[class]), class == truth)
            });
            Figures::Single(Single {
                images: truths.len(),
                top1: confusion.accuracy().unwrap_or(0.0),
                top5: top_k(probabilities, classes, &truths, TOP).unwrap_or(0.0),
                macro_f1: confusion.macro_f1(),
                balanced_accuracy: confusion.balanced_accuracy(),
                calibration: Calibration::of(answers),
                confusion,
            })
        }
        Labelling::Multi => {
            let marks = truths.iter().flat_map(|truth| (0..classes).map(|class| truth.contains(&class)));
            let marks: Vec<bool> = marks.collect();
            let answers = probabilities.iter().zip(&marks).map(|(&probability, &truth)| {
                let (probability, said) = (f64::from(probability), f64::from(probability) >= THRESHOLD);
                (if said { probability } else { 1.0 - probability }, said == truth)
            });
            Figures::Several(Several {
                images: truths.len(),
                average_precision: MeanPrecision::of(probabilities, &marks, classes),
                seco_batches: per_batch(probabilities, &marks, classes, SECO_BATCH),
                decisions: Thresholded::of(probabilities, &marks, classes, THRESHOLD),
                calibration: Calibration::of(answers),
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_and_several_are_judged_by_their_own_figures() {
        let probabilities = [0.7, 0.2, 0.1, 0.3, 0.4, 0.3];
        let single = measure(&probabilities, &[vec![0], vec![2]], 3, Labelling::Single).expect("images");
        let Figures::Single(found) = &single else { panic!("{single:?}") };
        assert_eq!((single.first(), found.top5, found.confusion.count(2, 1)), (0.5, 1.0, 1));
        // 0.7 and right, 0.4 and wrong.
        assert!((found.calibration.error - 0.35).abs() < 1e-6);
        let several = measure(&probabilities, &[vec![0, 1], vec![]], 3, Labelling::Multi).expect("images");
        let Figures::Several(found) = &several else { panic!("{several:?}") };
        assert_eq!(found.average_precision.per_class, [Some(1.0), Some(0.5), None]);
        assert_eq!((several.first(), found.seco_batches, found.decisions.exact), (0.75, None, Some(0.5)));
        assert_eq!(measure(&[], &[], 3, Labelling::Single), None);
    }
}
