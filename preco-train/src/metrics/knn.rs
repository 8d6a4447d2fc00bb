//! Classification by the nearest training images, with nothing trained (Wu et al. 2018, arXiv 1805.01978, section 3.4).
//!
//! Similarity is the cosine; each of the [`NEIGHBOURS`] nearest votes for its class with weight
//! `exp(cosine / `[`TEMPERATURE`]`)`. Ties go to the nearer neighbour and to the lower class.

use rayon::prelude::*;

/// Neighbours that vote, or all where there are fewer.
pub const NEIGHBOURS: usize = 20;
/// How fast a vote falls with distance.
pub const TEMPERATURE: f64 = 0.07;

/// Training features and their classes.
pub struct Knn {
    unit: Vec<f32>,
    labels: Vec<usize>,
    length: usize,
}

impl Knn {
    /// Keeps the rows of `features`, each of `length`, scaled to unit length.
    ///
    /// # Panics
    /// Where there are not as many rows as labels.
    pub fn new(features: &[f32], labels: &[usize], length: usize) -> Self {
        assert_eq!(features.len(), labels.len() * length, "a row for each label");
        Self { unit: unit_rows(features, length), labels: labels.to_vec(), length }
    }

    /// The class of each row of `features`.
    pub fn classify(&self, features: &[f32]) -> Vec<usize> {
        unit_rows(features, self.length).par_chunks_exact(self.length).map(|row| self.vote(row)).collect()
    }

    /// The share of rows whose class is `labels`.
    pub fn accuracy(&self, features: &[f32], labels: &[usize]) -> f64 {
        let right = self.classify(features).iter().zip(labels).filter(|(ours, truth)| ours == truth).count();
        right as f64 / labels.len() as f64
    }

    fn vote(&self, row: &[f32]) -> usize {
        let dot = |other: &[f32]| row.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let mut near: Vec<(f64, usize)> =
            self.unit.chunks_exact(self.length).map(dot).zip(self.labels.iter().copied()).collect();
        // A stable sort: equal similarities keep the training order.
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut votes = vec![0.0; self.labels.iter().max().map_or(0, |most| most + 1)];
        for (similarity, label) in near.into_iter().take(NEIGHBOURS) {
            votes[label] += (similarity / TEMPERATURE).exp();
        }
        (0..votes.len()).rev().max_by(|&a, &b| votes[a].total_cmp(&votes[b])).unwrap_or(0)
    }
}

fn unit_rows(features: &[f32], length: usize) -> Vec<f32> {
    let mut rows = features.to_vec();
    for row in rows.chunks_exact_mut(length) {
        let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(1e-12) as f32;
        row.iter_mut().for_each(|value| *value /= norm);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_decides_and_length_does_not() {
        let knn = Knn::new(&[1.0, 0.0, 0.0, 1.0], &[0, 1], 2);
        assert_eq!(knn.classify(&[100.0, 1.0, 0.001, 0.1, 3.0, 3.0]), [0, 1, 0]);
        assert_eq!(knn.accuracy(&[9.0, 1.0, 9.0, 1.0], &[0, 1]), 0.5);
    }

    #[test]
    fn one_near_vote_outweighs_two_far_ones() {
        // Cosines 1, 0.8 and 0.8: exp(1/0.07) against 2 exp(0.8/0.07), a factor of 8.7.
        let knn = Knn::new(&[1.0, 0.0, 0.8, 0.6, 0.8, -0.6], &[2, 1, 1], 2);
        assert_eq!(knn.classify(&[1.0, 0.0]), [2]);
    }

    #[test]
    fn only_the_nearest_twenty_vote() {
        // Twenty at cosine 1 of class 0 against a hundred at cosine 0.99 of class 1: e^(1/7) * 20 against 100.
        let mut features = [1.0, 0.0].repeat(NEIGHBOURS);
        features.extend([0.99f32, (1.0f32 - 0.99 * 0.99).sqrt()].repeat(100));
        let labels: Vec<usize> = (0..NEIGHBOURS + 100).map(|at| usize::from(at >= NEIGHBOURS)).collect();
        assert_eq!(Knn::new(&features, &labels, 2).classify(&[1.0, 0.0]), [0]);
    }
}
