//! Classification by the nearest training images, with nothing trained (Wu et al. 2018, arXiv 1805.01978, section 3.4).
//!
//! Similarity is the cosine; each of the [`NEIGHBOURS`] nearest votes for its class with weight
//! `exp(cosine / `[`TEMPERATURE`]`)`. Ties go to the nearer neighbour and to the lower class.

use preco_core::vectors::Nearest;

use super::highest;

/// Neighbours that vote, or all where there are fewer.
pub const NEIGHBOURS: usize = 20;
/// How fast a vote falls with distance.
pub const TEMPERATURE: f64 = 0.07;

/// Training features and their classes: any number for each.
pub struct Knn {
    nearest: Nearest,
    labels: Vec<Vec<usize>>,
    classes: usize,
}

impl Knn {
    /// Keeps the rows of `features`, each of `length`.
    ///
    /// # Panics
    /// Where there are not as many rows as labels, or a label is no class.
    pub fn new(features: &[f32], labels: &[Vec<usize>], classes: usize, length: usize) -> Self {
        assert_eq!(features.len(), labels.len() * length, "a row for each label");
        assert!(labels.iter().flatten().all(|&class| class < classes), "labels of {classes} classes");
        Self { nearest: Nearest::new(features, length), labels: labels.to_vec(), classes }
    }

    /// The share of the votes that each class gets, for each row of `features`; for one label they sum to 1.
    ///
    /// # Shapes
    /// `(rows, length)` to `(rows, classes)`.
    pub fn shares(&self, features: &[f32]) -> Vec<f32> {
        let mut shares = Vec::new();
        for near in self.nearest.find_all(features, NEIGHBOURS) {
            let mut votes = vec![0.0; self.classes];
            let mut all = 0.0;
            for hit in near {
                let vote = (hit.cosine / TEMPERATURE).exp();
                all += vote;
                self.labels[hit.row].iter().for_each(|&class| votes[class] += vote);
            }
            shares.extend(votes.into_iter().map(|vote| if all > 0.0 { (vote / all) as f32 } else { 0.0 }));
        }
        shares
    }

    /// The class of each row of `features`.
    pub fn classify(&self, features: &[f32]) -> Vec<usize> {
        self.shares(features).chunks_exact(self.classes.max(1)).map(|row| highest(row).unwrap_or(0)).collect()
    }

    /// The share of rows whose class is `labels`.
    pub fn accuracy(&self, features: &[f32], labels: &[usize]) -> f64 {
        let right = self.classify(features).iter().zip(labels).filter(|(ours, truth)| ours == truth).count();
        right as f64 / labels.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_decides_and_length_does_not() {
        let knn = Knn::new(&[1.0, 0.0, 0.0, 1.0], &[vec![0], vec![1]], 2, 2);
        assert_eq!(knn.classify(&[100.0, 1.0, 0.001, 0.1, 3.0, 3.0]), [0, 1, 0]);
        assert_eq!(knn.accuracy(&[9.0, 1.0, 9.0, 1.0], &[0, 1]), 0.5);
    }

    #[test]
    fn one_near_vote_outweighs_two_far_ones() {
        // Cosines 1, 0.8 and 0.8: exp(1/0.07) against 2 exp(0.8/0.07), a factor of 8.7.
        let knn = Knn::new(&[1.0, 0.0, 0.8, 0.6, 0.8, -0.6], &[vec![2], vec![1], vec![1]], 3, 2);
        assert_eq!(knn.classify(&[1.0, 0.0]), [2]);
    }

    #[test]
    fn only_the_nearest_twenty_vote() {
        // Twenty at cosine 1 of class 0 against a hundred at cosine 0.99 of class 1: e^(1/7) * 20 against 100.
        let mut features = [1.0, 0.0].repeat(NEIGHBOURS);
        features.extend([0.99f32, (1.0f32 - 0.99 * 0.99).sqrt()].repeat(100));
        let labels: Vec<_> = (0..NEIGHBOURS + 100).map(|at| vec![usize::from(at >= NEIGHBOURS)]).collect();
        assert_eq!(Knn::new(&features, &labels, 2, 2).classify(&[1.0, 0.0]), [0]);
    }

    #[test]
    fn several_labels_share_the_votes_of_their_neighbours() {
        // Cosines 1 and 0: the far one has no weight to speak of.
        let knn = Knn::new(&[1.0, 0.0, 0.0, 1.0], &[vec![0, 2], vec![1]], 3, 2);
        let shares = knn.shares(&[2.0, 0.0]);
        assert!((shares[0] - 1.0).abs() < 1e-5 && shares[0] == shares[2] && shares[1] < 1e-5, "{shares:?}");
        let shares = knn.shares(&[3.0, 3.0]);
        assert!(shares.iter().all(|share| (share - 0.5).abs() < 1e-6), "{shares:?}");
    }
}
