//! Average precision: how well scores put positives before negatives, with no threshold chosen.
//!
//! scikit-learn's step sum `Σ (R_n − R_{n−1}) P_n`: thresholds are the distinct scores from the highest down, `P_n` and
//! `R_n` precision and recall of all samples at or above the n-th. Equal scores are one step; nothing is interpolated,
//! so it is neither VOC's nor COCO's. Where several classes are averaged the kind is named: `macro` is the mean over
//! classes, `micro` takes every (sample, class) as one decision. Papers call both mAP.

use serde::Serialize;

use super::inputs;
use super::share::mean;
use crate::error::{Error, Result};

/// The average precision of one ranking; `None` where nothing is positive (scikit-learn: 0 and a warning).
///
/// # Errors
/// [`Error::Measure`] for a score that is NaN. Infinite scores are the first and last of the ranking.
///
/// # Panics
/// Where there are not as many scores as truths.
pub fn average_precision(scores: &[f32], truth: &[bool]) -> Result<Option<f64>> {
    inputs::rows_of_both(scores, truth, 1);
    inputs::numbers(scores, 1)?;
    Ok(ranked(scores.iter().copied().zip(truth.iter().copied()).collect()))
}

/// Average precisions of several labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AveragePrecision {
    /// Of each class; `None` for a class without a positive.
    pub per_class: Vec<Option<f64>>,
    /// The mean over the classes with a positive. scikit-learn counts the others as 0 and so gives
    /// `macro_ * classes_with_positives / classes`.
    #[serde(rename = "macro")]
    pub macro_: Option<f64>,
    /// Over how many classes `macro_` is the mean.
    pub classes_with_positives: usize,
    /// Of all (sample, class) in one ranking, so frequent classes weigh more.
    pub micro: Option<f64>,
}

impl AveragePrecision {
    /// The average precisions of a matrix.
    ///
    /// # Shapes
    /// `scores` and `truth` `(samples, classes)`.
    ///
    /// # Errors
    /// [`Error::Measure`] for a score that is NaN.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn of(scores: &[f32], truth: &[bool], classes: usize) -> Result<Self> {
        inputs::rows_of_both(scores, truth, classes);
        inputs::numbers(scores, classes)?;
        let all: Vec<(f32, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
        let column = |class: usize| all.iter().skip(class).step_by(classes).copied().collect();
        let per_class: Vec<Option<f64>> = (0..classes).map(|class| ranked(column(class))).collect();
        Ok(Self {
            macro_: mean(per_class.iter().copied().flatten()),
            classes_with_positives: per_class.iter().flatten().count(),
            per_class,
            micro: ranked(all),
        })
    }
}

/// The mean of the micro average precisions of consecutive batches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecoCompat {
    /// The unweighted mean over the batches with a positive; `None` where there are none.
    pub mean: Option<f64>,
    /// Over how many batches.
    pub batches: usize,
    /// Batches without a positive, which have no average precision and are left out (scikit-learn: 0 or NaN, by its
    /// version).
    pub without_positives: usize,
    /// Samples of an incomplete last batch that was dropped.
    pub dropped: usize,
}

/// BigEarthNet's mAP as in SeCo's code (Mañas et al. 2021, arXiv 2103.16607): the micro average precision of each
/// `batch` samples in the given order, averaged. It depends on batch and order; for numbers of one's own take
/// [`AveragePrecision`].
///
/// `drop_last` leaves an incomplete last batch out, as SeCo does in validation too. Otherwise it counts as much as the
/// others.
///
/// # Shapes
/// `scores` and `truth` `(samples, classes)`.
///
/// # Errors
/// [`Error::Config`] for a batch of 0; [`Error::Measure`] for a score that is NaN, dropped or not.
///
/// # Panics
/// Where the lengths do not fit.
pub fn seco_compat(
    scores: &[f32],
    truth: &[bool],
    classes: usize,
    batch: usize,
    drop_last: bool,
) -> Result<SecoCompat> {
    let samples = inputs::rows_of_both(scores, truth, classes);
    if batch == 0 {
        return Err(Error::config("a batch of 0 images has no average precision: 1 or more"));
    }
    inputs::numbers(scores, classes)?;
    let dropped = if drop_last { samples % batch } else { 0 };
    let kept = (samples - dropped) * classes;
    // A batch larger than everything is everything.
    let length = batch.min(samples.max(1)) * classes;
    let batches = scores[..kept].chunks(length).zip(truth[..kept].chunks(length));
    let micro: Vec<Option<f64>> =
        batches.map(|(scores, truth)| ranked(scores.iter().copied().zip(truth.iter().copied()).collect())).collect();
    let counted = micro.iter().flatten().count();
    Ok(SecoCompat {
        mean: mean(micro.iter().copied().flatten()),
        batches: counted,
        without_positives: micro.len() - counted,
        dropped,
    })
}

/// The step sum, over scores that are numbers.
fn ranked(mut pairs: Vec<(f32, bool)>) -> Option<f64> {
    // The order within equal scores is of no effect; 0 and -0 are equal and stand together.
    pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut sum) = (0usize, 0usize, 0.0);
    for step in pairs.chunk_by(|a, b| a.0 == b.0) {
        let more = step.iter().filter(|(_, is_positive)| *is_positive).count();
        seen += step.len();
        found += more;
        // R_n − R_{n−1} is more / all positives, whose number is known at the end.
        sum += more as f64 * (found as f64 / seen as f64);
    }
    (found > 0).then(|| sum / found as f64)
}

#[cfg(test)]
mod tests;
