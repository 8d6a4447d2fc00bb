//! What every measure asks of its inputs: whole rows, a truth for each score, numbers, labels that are classes.
//!
//! Lengths are the caller's to get right and panic; values come from models and data sets and are errors.

use crate::error::{Error, Result};

/// The samples in a matrix of `values` values.
pub(super) fn rows(values: usize, classes: usize) -> usize {
    assert!(classes > 0 && values.is_multiple_of(classes), "{values} values are no whole rows of {classes} classes");
    values / classes
}

/// As [`rows`], where each score has a truth.
pub(super) fn rows_of_both(scores: &[f32], truth: &[bool], classes: usize) -> usize {
    assert_eq!(truth.len(), scores.len(), "a truth for each score");
    rows(scores.len(), classes)
}

/// Fails at the first score that is no number.
pub(super) fn numbers(scores: &[f32], classes: usize) -> Result<()> {
    match scores.iter().position(|score| score.is_nan()) {
        None => Ok(()),
        Some(at) => Err(Error::measure(format!(
            "the score of sample {}, class {} is NaN: the model gave no number for it, so nothing can be measured. Look \
             for NaN in its weights and in the image",
            at / classes,
            at % classes
        ))),
    }
}

/// Fails at the first value outside `[0, 1]`.
pub(super) fn probabilities(values: &[f32], classes: usize) -> Result<()> {
    match values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        None => Ok(()),
        Some(at) => Err(Error::measure(format!(
            "the probability of sample {}, class {} is {}, outside [0, 1]: pass logits through softmax or sigmoid first",
            at / classes,
            at % classes,
            values[at]
        ))),
    }
}

/// Fails where `label` is none of `classes`; `what` names it.
pub(super) fn class(what: &str, label: usize, classes: usize) -> Result<()> {
    if label < classes {
        return Ok(());
    }
    Err(Error::measure(format!(
        "{what} is class {label}, and there are {classes}, counted from 0: the labels are of another list of classes"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_place_and_the_value() {
        let report = numbers(&[0.0, 1.0, f32::INFINITY, f32::NAN], 2).expect_err("NaN").to_string();
        assert!(report.contains("sample 1, class 1"), "{report}");
        let report = probabilities(&[0.0, 1.0, 0.5, 1.5, 0.5, 0.5], 3).expect_err("above 1").to_string();
        assert!(report.contains("sample 1, class 0 is 1.5"), "{report}");
        for value in [f32::NAN, -1e-9, f32::INFINITY] {
            probabilities(&[value], 1).expect_err("no probability");
        }
        let report = class("sample 3", 7, 7).expect_err("beyond").to_string();
        assert!(report.contains("sample 3 is class 7, and there are 7"), "{report}");
        class("sample 3", 6, 7).expect("the last class");
    }

    #[test]
    #[should_panic(expected = "7 values are no whole rows of 3 classes")]
    fn a_broken_row_panics() {
        rows(7, 3);
    }

    #[test]
    #[should_panic(expected = "a truth for each score")]
    fn a_missing_truth_panics() {
        rows_of_both(&[0.0, 0.0], &[true], 1);
    }
}
