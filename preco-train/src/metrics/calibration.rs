//! Whether probabilities are as often right as they say: expected calibration error, and the table behind it.
//!
//! Guo et al. 2017 (arXiv 1706.04599, equations 2 and 3): probabilities fall into `B` bins of equal width, and
//! `ECE = Σ_b n_b / n · |accuracy_b − confidence_b|`. Bin `b` holds `(b / B, (b + 1) / B]`, with edges rounded to f32 as
//! the probabilities are; 0 itself is in the first. The error depends on the number of bins: it is only comparable for
//! the same.

use serde::Serialize;

use super::inputs;
use super::top_k::highest;
use crate::error::{Error, Result};

/// The usual number of bins.
pub const BINS: usize = 15;
/// The most bins: more than any table is read.
pub const MOST_BINS: usize = 1000;

/// The expected calibration error and its bins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The mean distance between confidence and accuracy, from 0 to 1; `None` where nothing was measured.
    pub error: Option<f64>,
    /// The reliability table, by rising confidence.
    pub bins: Vec<Bin>,
}

/// The decisions of which the confidence is in `(low, high]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// The lower edge, outside but for 0.
    pub low: f32,
    /// The upper edge, inside.
    pub high: f32,
    /// How many decisions.
    pub count: u64,
    /// Their mean confidence; `None` without any.
    pub confidence: Option<f64>,
    /// The share that is right; `None` without any.
    pub accuracy: Option<f64>,
}

/// One class to each sample: confidence is the largest probability of a row, and it is right where its class (the first
/// of equal ones) is the label.
///
/// # Shapes
/// `probabilities` `(samples, classes)`, `labels` `(samples)`.
///
/// # Errors
/// [`Error::Measure`] for a probability outside `[0, 1]`, NaN included, and for a label that is no class;
/// [`Error::Config`] for no bin or more than [`MOST_BINS`].
///
/// # Panics
/// Where the lengths do not fit.
pub fn calibration(probabilities: &[f32], classes: usize, labels: &[usize], bins: usize) -> Result<Calibration> {
    assert_eq!(labels.len(), inputs::rows(probabilities.len(), classes), "a label for each row");
    inputs::probabilities(probabilities, classes)?;
    let mut decisions = Vec::with_capacity(labels.len());
    for (sample, (row, &label)) in probabilities.chunks_exact(classes).zip(labels).enumerate() {
        inputs::class(&format!("the label of sample {sample}"), label, classes)?;
        // Rows hold numbers, and one at least.
        let predicted = highest(row).unwrap_or(0);
        decisions.push((row[predicted], predicted == label));
    }
    binned(&decisions, bins)
}

/// Several labels to each sample: every (sample, class) is one decision, whose confidence is the probability that the
/// label is there, and it is right where the label is. That is how often the model's 0.8 is a 1, not how sure it is of the
/// likelier answer; torchmetrics' `BinaryCalibrationError` measures the same. Absent labels, most of them at low
/// probabilities, outweigh the others: read the bins too.
///
/// # Shapes
/// `probabilities` and `truth` `(samples, classes)`.
///
/// # Errors
/// As [`calibration`].
///
/// # Panics
/// As [`calibration`].
pub fn calibration_of_labels(
    probabilities: &[f32],
    truth: &[bool],
    classes: usize,
    bins: usize,
) -> Result<Calibration> {
    inputs::rows_of_both(probabilities, truth, classes);
    inputs::probabilities(probabilities, classes)?;
    let decisions: Vec<(f32, bool)> = probabilities.iter().copied().zip(truth.iter().copied()).collect();
    binned(&decisions, bins)
}

/// Confidences in `[0, 1]`, and whether they were right.
fn binned(decisions: &[(f32, bool)], bins: usize) -> Result<Calibration> {
    if bins == 0 || bins > MOST_BINS {
        return Err(Error::config(format!("{bins} bins of confidence: 1 to {MOST_BINS}, usually {BINS}")));
    }
    let edge = |bin: usize| (bin as f64 / bins as f64) as f32;
    let upper: Vec<f32> = (1..=bins).map(edge).collect();
    // Decisions, right ones and summed confidence of each bin.
    let mut sums = vec![(0u64, 0u64, 0.0f64); bins];
    for &(confidence, is_right) in decisions {
        let sum = &mut sums[upper.partition_point(|&edge| edge < confidence)];
        sum.0 += 1;
        sum.1 += u64::from(is_right);
        sum.2 += f64::from(confidence);
    }
    let gaps = sums.iter().map(|&(_, right, confidence)| (right as f64 - confidence).abs());
    let error = (!decisions.is_empty()).then(|| gaps.sum::<f64>() / decisions.len() as f64);
    let bin = |(at, &(count, right, confidence)): (usize, &(u64, u64, f64))| {
        let per_decision = |sum: f64| (count > 0).then(|| sum / count as f64);
        let (low, high) = (edge(at), edge(at + 1));
        Bin { low, high, count, confidence: per_decision(confidence), accuracy: per_decision(right as f64) }
    };
    Ok(Calibration { error, bins: sums.iter().enumerate().map(bin).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_error_are_those_counted_by_hand() {
        // Confidences 0.75 (right), 0.625 (wrong), 1 (right), 0.5 (a tie: class 0, right).
        let probabilities = [0.25, 0.75, 0.625, 0.375, 0.0, 1.0, 0.5, 0.5];
        let measured = calibration(&probabilities, 2, &[1, 1, 1, 0], 4).expect("probabilities");
        let rows: Vec<_> = measured.bins.iter().map(|bin| (bin.count, bin.confidence, bin.accuracy)).collect();
        assert_eq!(
            rows,
            [(0, None, None), (1, Some(0.5), Some(1.0)), (2, Some(0.6875), Some(0.5)), (1, Some(1.0), Some(1.0)),]
        );
        assert_eq!(measured.error, Some((0.5 + 2.0 * 0.1875) / 4.0));
        assert_eq!((measured.bins[2].low, measured.bins[2].high), (0.5, 0.75));
    }

    #[test]
    fn an_edge_belongs_to_the_bin_below_it() {
        for bins in [1, 3, 10, BINS, MOST_BINS] {
            let edges: Vec<f32> = (0..=bins).map(|edge| (edge as f64 / bins as f64) as f32).collect();
            let measured = calibration_of_labels(&edges, &vec![true; bins + 1], 1, bins).expect("probabilities");
            let counts: Vec<u64> = measured.bins.iter().map(|bin| bin.count).collect();
            // 0 and the first edge share the first bin.
            assert_eq!((counts[0], counts[1..].iter().all(|&count| count == 1)), (2, true), "{bins} bins");
        }
        let typed = calibration_of_labels(&[0.2, 0.6, 0.8], &[true; 3], 1, 5).expect("probabilities");
        assert_eq!(typed.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 0, 1, 1, 0]);
    }

    #[test]
    fn labels_are_measured_against_zero_and_one() {
        // Ten labels at 1/4, of which three are there, and two at 1, both there: (|3 − 2.5| + 0) / 12.
        let probabilities = [[0.25; 10].as_slice(), &[1.0; 2]].concat();
        let truth: Vec<bool> = (0..12).map(|at| !(3..10).contains(&at)).collect();
        for bins in [4, BINS] {
            let measured = calibration_of_labels(&probabilities, &truth, 4, bins).expect("probabilities");
            assert_eq!(measured.error, Some(0.5 / 12.0));
        }
        let sure = calibration_of_labels(&[0.0, 1.0], &[true, false], 2, BINS).expect("probabilities");
        assert_eq!(sure.error, Some(1.0));
    }

    #[test]
    fn what_is_no_probability_or_class_is_refused() {
        let report = calibration(&[0.5, 1.5], 2, &[0], BINS).expect_err("a logit").to_string();
        assert!(report.contains("class 1 is 1.5") && report.contains("softmax"), "{report}");
        calibration_of_labels(&[f32::NAN], &[true], 1, BINS).expect_err("NaN");
        calibration(&[0.5, 0.5], 2, &[2], BINS).expect_err("no class");
        for bins in [0, MOST_BINS + 1, usize::MAX] {
            calibration(&[0.5, 0.5], 2, &[1], bins).expect_err("refused before anything is allocated");
        }
        assert_eq!(calibration(&[], 2, &[], BINS).expect("nothing to refuse").error, None);
    }
}
