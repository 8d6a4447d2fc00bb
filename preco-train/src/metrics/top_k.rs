//! Whether the truth is among the classes of the highest scores.

/// The class of the highest score; of equal ones the first.
///
/// # Panics
/// Where there is no score.
pub fn highest(scores: &[f32]) -> usize {
    let best = (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    best.expect("a score for each class")
}

/// The share of rows whose truth has one of the `k` highest scores; of equal scores the earlier class is the higher.
/// `None` without a row.
///
/// # Shapes
/// scores `(rows, classes)`, a truth for each row.
///
/// # Panics
/// Where there are not as many rows as truths, or a truth is no class.
pub fn top_k(scores: &[f32], classes: usize, truths: &[usize], k: usize) -> Option<f64> {
    assert_eq!(scores.len(), classes * truths.len(), "a row for each truth");
    let found = scores.chunks_exact(classes.max(1)).zip(truths).filter(|(row, truth)| {
        let own = row[**truth];
        let above = |(class, score): (usize, &f32)| *score > own || (*score == own && class < **truth);
        row.iter().enumerate().filter(|&entry| above(entry)).count() < k
    });
    (!truths.is_empty()).then(|| found.count() as f64 / truths.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_found_within_as_many_as_are_asked_for() {
        let scores = [0.1, 0.5, 0.4, 0.4, 0.4, 0.2];
        assert_eq!((highest(&scores[..3]), highest(&scores[3..])), (1, 0));
        assert_eq!(top_k(&scores, 3, &[2, 1], 1), Some(0.0));
        assert_eq!(top_k(&scores, 3, &[2, 1], 2), Some(1.0));
        assert_eq!(top_k(&scores, 3, &[1, 0], 1), Some(1.0));
        assert_eq!(top_k(&[], 3, &[], 1), None);
    }
}
