//! The share of samples whose class is among the k highest scores.
//!
//! A class is in the top k where fewer than k classes of its row come before it: those of a greater score, and those of
//! an equal score and a smaller index. So equal scores never count twice and the result is one for any sort. NaN comes
//! after every number and is never in the top: a model that gives NaN alone is right in nothing.

use super::inputs;
use super::share::share;
use crate::error::Result;

/// The share of samples whose label is in the top `k`; `None` without samples. Where `k` is at least `classes`, all are
/// whose label's score is a number.
///
/// # Shapes
/// `scores` `(samples, classes)`, `labels` `(samples)`.
///
/// # Errors
/// [`Error::Measure`](crate::error::Error::Measure) for a label that is no class.
///
/// # Panics
/// Where the lengths do not fit, or `k` is 0.
pub fn top_k_accuracy(scores: &[f32], classes: usize, labels: &[usize], k: usize) -> Result<Option<f64>> {
    assert_eq!(labels.len(), inputs::rows(scores.len(), classes), "a label for each row");
    assert!(k > 0, "the top 0 holds nothing");
    let mut right = 0;
    for (sample, (row, &label)) in scores.chunks_exact(classes).zip(labels).enumerate() {
        inputs::class(&format!("the label of sample {sample}"), label, classes)?;
        right += u64::from(is_in_top(row, label, k));
    }
    Ok(share(right, labels.len() as u64))
}

/// The class of the highest score, the smaller index where several are; `None` where no score is a number.
pub fn highest(row: &[f32]) -> Option<usize> {
    let numbers = row.iter().enumerate().filter(|(_, score)| !score.is_nan());
    let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(class, _)| class)
}

fn is_in_top(row: &[f32], label: usize, k: usize) -> bool {
    let score = row[label];
    let comes_before = |&(class, other): &(usize, &f32)| *other > score || (*other == score && class < label);
    !score.is_nan() && row.iter().enumerate().filter(comes_before).count() < k
}

#[cfg(test)]
mod tests {
    use preco_core::rng::Stream;

    use super::*;

    fn top(scores: &[f32], label: usize, k: usize) -> bool {
        top_k_accuracy(scores, scores.len(), &[label], k).expect("a class") == Some(1.0)
    }

    #[test]
    fn a_label_is_found_from_its_rank_on() {
        let scores = [0.1, 0.7, -2.0, 0.3];
        for (label, rank) in [(1, 1), (3, 2), (0, 3), (2, 4)] {
            for k in 1..=5 {
                assert_eq!(top(&scores, label, k), k >= rank, "class {label} in the top {k}");
            }
        }
        let two = [0.1, 0.7, 0.9, 0.3];
        assert_eq!(top_k_accuracy(&two, 2, &[1, 1], 1).expect("classes"), Some(0.5));
    }

    #[test]
    fn of_equal_scores_the_smaller_index_comes_first() {
        let scores = [0.5, 0.9, 0.5, 0.5];
        assert_eq!((0..4).map(|label| top(&scores, label, 2)).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!((0..4).map(|label| top(&scores, label, 3)).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(highest(&scores), Some(1));
        assert_eq!(highest(&[0.0, -0.0, 0.0]), Some(0));
    }

    #[test]
    fn each_row_has_exactly_k_classes_in_its_top() {
        let mut stream = Stream::new(5, "top_k", 0, 0);
        for _ in 0..100 {
            let scores: Vec<f32> = (0..7).map(|_| (4.0 * stream.uniform()).floor() as f32).collect();
            for k in 1..=7 {
                assert_eq!((0..7).filter(|&label| top(&scores, label, k)).count(), k, "{scores:?}");
            }
            assert!(top(&scores, highest(&scores).expect("numbers"), 1), "{scores:?}");
        }
    }

    #[test]
    fn nan_is_never_on_top() {
        let scores = [f32::NAN, f32::NEG_INFINITY, f32::NAN];
        assert_eq!((0..3).map(|label| top(&scores, label, 3)).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(highest(&scores), Some(1));
        assert_eq!(highest(&[f32::NAN; 2]), None);
        assert_eq!(highest(&[]), None);
    }

    #[test]
    fn a_label_beyond_the_classes_is_an_error_and_no_samples_are_none() {
        let report = top_k_accuracy(&[0.0; 4], 2, &[1, 2], 1).expect_err("no class").to_string();
        assert!(report.contains("sample 1 is class 2, and there are 2"), "{report}");
        assert_eq!(top_k_accuracy(&[], 2, &[], 1).expect("nothing to refuse"), None);
    }

    #[test]
    #[should_panic(expected = "a label for each row")]
    fn a_missing_label_panics() {
        let _ = top_k_accuracy(&[0.0; 4], 2, &[1], 1);
    }
}
