//! What a classifier's probabilities are worth, beside the truth.

use preco_core::spec::Labelling;
use serde::Serialize;

use crate::error::Result;
use crate::metrics::{
    AveragePrecision, BINS, Calibration, Confusion, SecoCompat, THRESHOLD, Thresholded, calibration,
    calibration_of_labels, highest, seco_compat, top_k_accuracy,
};

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
    pub average_precision: AveragePrecision,
    /// SeCo's figure, micro-averaged in batches of 128 and then over batches.
    pub seco_batches: SecoCompat,
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
            Self::Several(several) => several.average_precision.macro_.unwrap_or(0.0),
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
                ("expected calibration error", single.calibration.error),
            ],
            Self::Several(several) => vec![
                ("mAP, mean over classes", several.average_precision.macro_),
                ("mAP, micro over all decisions", several.average_precision.micro),
                ("mAP, micro per batch of 128 (SeCo)", several.seco_batches.mean),
                ("F1, micro at 0.5", several.decisions.micro.f1),
                ("F1, mean over classes at 0.5", several.decisions.macro_.f1),
                ("all labels right at 0.5", several.decisions.exact_match),
                ("expected calibration error", several.calibration.error),
            ],
        }
    }
}

/// The figures of `probabilities`; `None` without an image.
///
/// # Shapes
/// `(images, classes)`, and the classes of each image.
///
/// # Errors
/// [`crate::error::Error::Measure`] for what is no probability, such as a diverged model's.
///
/// # Panics
/// Where they differ in number.
pub fn measure(
    probabilities: &[f32],
    truths: &[Vec<usize>],
    classes: usize,
    labelling: Labelling,
) -> Result<Option<Figures>> {
    assert_eq!(probabilities.len(), truths.len() * classes, "a row for each image");
    if truths.is_empty() {
        return Ok(None);
    }
    Ok(Some(match labelling {
        Labelling::Single => {
            let truths: Vec<usize> = truths.iter().map(|truth| truth.first().copied().unwrap_or(0)).collect();
            let calibration = calibration(probabilities, classes, &truths, BINS)?;
            let mut confusion = Confusion::new(classes)?;
            for (row, &truth) in probabilities.chunks_exact(classes).zip(&truths) {
                confusion.add(truth, highest(row).unwrap_or(0))?;
            }
            Figures::Single(Single {
                images: truths.len(),
                top1: confusion.accuracy().unwrap_or(0.0),
                top5: top_k_accuracy(probabilities, classes, &truths, TOP)?.unwrap_or(0.0),
                macro_f1: confusion.macro_f1(),
                balanced_accuracy: confusion.balanced_accuracy(),
                calibration,
                confusion,
            })
        }
        Labelling::Multi => {
            let marks = truths.iter().flat_map(|truth| (0..classes).map(|class| truth.contains(&class)));
            let marks: Vec<bool> = marks.collect();
            Figures::Several(Several {
                images: truths.len(),
                average_precision: AveragePrecision::of(probabilities, &marks, classes)?,
                seco_batches: seco_compat(probabilities, &marks, classes, SECO_BATCH, true)?,
                decisions: Thresholded::of(probabilities, &marks, classes, THRESHOLD)?,
                calibration: calibration_of_labels(probabilities, &marks, classes, BINS)?,
            })
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_and_several_are_judged_by_their_own_figures() {
        let probabilities = [0.7, 0.2, 0.1, 0.3, 0.4, 0.3];
        let of = |truths: &[Vec<usize>], labelling| measure(&probabilities, truths, 3, labelling).expect("numbers");
        let single = of(&[vec![0], vec![2]], Labelling::Single).expect("images");
        let Figures::Single(found) = &single else { panic!("{single:?}") };
        assert_eq!((single.first(), found.top5, found.confusion.counts()[2 * 3 + 1]), (0.5, 1.0, 1));
        // 0.7 and right, 0.4 and wrong.
        assert!((found.calibration.error.expect("images") - 0.35).abs() < 1e-6);
        let several = of(&[vec![0, 1], vec![]], Labelling::Multi).expect("images");
        let Figures::Several(found) = &several else { panic!("{several:?}") };
        assert_eq!(found.average_precision.per_class, [Some(1.0), Some(0.5), None]);
        assert_eq!((several.first(), found.seco_batches.mean, found.decisions.exact_match), (0.75, None, Some(0.5)));
        assert_eq!(measure(&[], &[], 3, Labelling::Single).expect("nothing to refuse"), None);
        measure(&[f32::NAN; 3], &[vec![0]], 3, Labelling::Single).expect_err("no probabilities");
    }
}
