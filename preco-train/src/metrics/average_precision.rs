//! Average precision as scikit-learn computes it: `Σ (R_n − R_{n−1}) P_n` over falling thresholds, equal scores taken
//! together, nothing interpolated.

use serde::Serialize;

use super::confusion::mean;

/// Average precision of one ranking; `None` where nothing is true, of which scikit-learn says 0.
///
/// # Panics
/// Where scores and truths differ in number.
pub fn average_precision(scores: &[f32], truths: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), truths.len(), "a truth for each score");
    let positives = truths.iter().filter(|&&truth| truth).count();
    if positives == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut right, mut seen, mut sum) = (0usize, 0usize, 0.0);
    for together in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let found = together.iter().filter(|&&at| truths[at]).count();
        (right, seen) = (right + found, seen + together.len());
        sum += found as f64 / positives as f64 * (right as f64 / seen as f64);
    }
    Some(sum)
}

/// Average precision over classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanPrecision {
    /// Of each class; `None` for one without a positive.
    pub per_class: Vec<Option<f64>>,
    /// The mean over classes that have a positive: what is usually called mAP.
    pub over_classes: Option<f64>,
    /// Of all decisions in one ranking: micro-averaged.
    pub over_decisions: Option<f64>,
}

impl MeanPrecision {
    /// # Shapes
    /// `(rows, classes)`, both.
    ///
    /// # Panics
    /// Where they differ in size or have no class.
    pub fn of(scores: &[f32], truths: &[bool], classes: usize) -> Self {
        assert_eq!(scores.len(), truths.len(), "a truth for each score");
        let column = |class: usize| {
            let scores: Vec<f32> = scores.iter().skip(class).step_by(classes).copied().collect();
            let truths: Vec<bool> = truths.iter().skip(class).step_by(classes).copied().collect();
            average_precision(&scores, &truths)
        };
        let per_class: Vec<Option<f64>> = (0..classes).map(column).collect();
        let over_classes = mean(per_class.iter().flatten().copied());
        Self { per_class, over_classes, over_decisions: average_precision(scores, truths) }
    }
}

/// SeCo's figure: micro-averaged precision of each batch of `batch` rows, the mean over batches. The rest that fills no
/// batch is left out, as its loader does; a batch without a positive counts 0, as scikit-learn says. `None` where there is
/// no full batch. It depends on the order and the size of batches, and is no property of a data set.
///
/// # Shapes
/// `(rows, classes)`, both.
///
/// # Panics
/// Where they differ in size, or `batch` or `classes` is 0.
pub fn per_batch(scores: &[f32], truths: &[bool], classes: usize, batch: usize) -> Option<f64> {
    assert_eq!(scores.len(), truths.len(), "a truth for each score");
    let rows = batch * classes;
    let each = scores.chunks_exact(rows).zip(truths.chunks_exact(rows));
    mean(each.map(|(scores, truths)| average_precision(scores, truths).unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use preco_core::rng::Stream;

    #[test]
    fn a_ranking_has_the_precision_of_its_steps() {
        // Ranks: right, wrong, right: 1/2 · 1 + 1/2 · 2/3.
        assert_eq!(average_precision(&[0.9, 0.5, 0.1], &[true, false, true]), Some(0.5 + 1.0 / 3.0));
        // All alike: the share of positives, whatever their order.
        assert_eq!(average_precision(&[0.5; 4], &[true, false, false, true]), Some(0.5));
        assert_eq!(average_precision(&[0.5; 4], &[false; 4]), None);
    }

    #[test]
    fn neither_order_nor_scale_of_scores_matters() {
        let mut stream = Stream::new(1, "scores", 0, 0);
        for _ in 0..50 {
            let scores: Vec<f32> = (0..30).map(|_| (8.0 * stream.uniform()).floor() as f32).collect();
            let truths: Vec<bool> = (0..30).map(|_| stream.chance(0.3)).collect();
            let wanted = average_precision(&scores, &truths);
            let scaled: Vec<f32> = scores.iter().map(|score| score.exp() + 2.0).collect();
            assert_eq!(average_precision(&scaled, &truths), wanted);
            let (back, truths): (Vec<f32>, Vec<bool>) = scores.iter().copied().zip(truths).rev().unzip();
            assert_eq!(average_precision(&back, &truths), wanted);
        }
    }

    #[test]
    fn classes_decisions_and_batches_are_three_figures() {
        let scores = [0.9, 0.2, 0.8, 0.3, 0.1, 0.7, 0.4, 0.6];
        let truths = [true, false, false, false, true, false, false, false];
        let all = MeanPrecision::of(&scores, &truths, 2);
        // The first class: ranks 1 and 4 are right.
        assert_eq!(all.per_class, [Some(0.5 + 0.5 * 0.5), None]);
        assert_eq!(all.over_classes, Some(0.75));
        // Of eight decisions the first and the last.
        assert_eq!(all.over_decisions, Some(0.5 + 0.5 * 0.25));
        assert_eq!(per_batch(&scores, &truths, 2, 2), Some((1.0 + 0.25) / 2.0));
        assert_eq!(per_batch(&scores, &truths, 2, 3), Some(0.5 + 0.5 * (2.0 / 6.0)));
        assert_eq!(per_batch(&scores, &truths, 2, 5), None);
    }
}
