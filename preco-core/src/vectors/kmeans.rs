//! Groups of like rows: k-means (Lloyd's iterations, seeds by greedy k-means++).
//!
//! Arthur and Vassilvitskii 2007 for the seeds; Dhillon and Modha 2001 for directions, where rows and centres are of
//! length 1 and the squared distance is `2 - 2 cos`. The same rows and seed give the same groups: sums run in a fixed
//! order, random numbers come from a named stream. Does not choose the number of groups.

mod step;

use rayon::prelude::*;

use super::unit::{squared_distance, unit_rows};
use crate::error::{Error, Result};
use crate::rng::Stream;
use step::{Space, assign, means};

/// Directions whose squared distance is below this are the same: f32's rounding of unit rows makes up to 1e-14.
const SAME_DIRECTION: f64 = 1e-13;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct KMeans {
    /// Groups.
    pub clusters: usize,
    /// Iterations at most; fewer where no row changes its group.
    pub iterations: usize,
    /// Seed of the first centres.
    pub seed: u64,
}

/// Groups of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// The group of each row, that of the nearest centre; group 0 is the largest, of equal ones the one whose first row
    /// comes first.
    pub labels: Vec<u32>,
    /// The centre of each group, one after the other: the mean of its rows, scaled to length 1 for directions.
    pub centres: Vec<f32>,
    /// Rows of each group; 0 is possible only where iterations ran out.
    pub sizes: Vec<usize>,
    /// The sum of squared distances of rows (for directions, of rows scaled to length 1) from their centres.
    pub inertia: f64,
    /// Iterations that were needed.
    pub iterations: usize,
}

impl KMeans {
    /// Groups the directions of `rows`, each of `length` values: how long a row is does not matter. All-zero rows have
    /// no direction; they are at distance 1 from every centre.
    ///
    /// # Errors
    /// [`Error::Config`] where there are more groups than different directions, no group, no row, rows that are not
    /// whole, or a value that is not finite.
    ///
    /// # Randomness
    /// Stream `kmeans`; the step is the number of the centre that is drawn.
    pub fn fit(&self, rows: &[f32], length: usize) -> Result<Clusters> {
        self.check(rows, length)?;
        self.run(&unit_rows(rows, length), length, Space::Directions)
    }

    /// Groups `rows` as they are, by Euclidean distance.
    ///
    /// # Errors
    /// Those of [`KMeans::fit`], with rows for directions.
    ///
    /// # Randomness
    /// That of [`KMeans::fit`].
    pub fn fit_plain(&self, rows: &[f32], length: usize) -> Result<Clusters> {
        self.check(rows, length)?;
        self.run(rows, length, Space::Plain)
    }

    fn check(&self, rows: &[f32], length: usize) -> Result<()> {
        if length == 0 || !rows.len().is_multiple_of(length) {
            return Err(Error::config(format!("{} values are no rows of {length}", rows.len())));
        }
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(Error::config(format!(
                "embedding {} holds {}, no number to group by: leave it out",
                at / length,
                rows[at]
            )));
        }
        let count = rows.len() / length;
        if count == 0 {
            return Err(Error::config(format!("{} groups of 0 embeddings: there is nothing to group", self.clusters)));
        }
        // Labels are u32.
        let most = count.min(u32::MAX as usize);
        if self.clusters == 0 || self.clusters > most {
            return Err(Error::config(format!("{} groups of {count} embeddings: ask for 1 to {most}", self.clusters)));
        }
        Ok(())
    }

    fn run(&self, rows: &[f32], length: usize, space: Space) -> Result<Clusters> {
        let mut centres = self.seeds(rows, length, space)?;
        let mut labels: Vec<u32> = Vec::new();
        let mut iterations = 0;
        loop {
            let (new, distances): (Vec<u32>, Vec<f64>) =
                rows.par_chunks_exact(length).map(|row| assign(row, &centres, length)).unzip();
            if new == labels || iterations == self.iterations {
                let inertia = distances.iter().sum();
                return Ok(sorted(&new, &centres, length, inertia, iterations));
            }
            labels = new;
            iterations += 1;
            centres = means(rows, length, &labels, distances, self.clusters, space);
        }
    }

    /// Each next centre is a row, drawn by its squared distance from the centres so far: of several draws the one that
    /// leaves the least, as a single one often puts two centres into a large group.
    fn seeds(&self, rows: &[f32], length: usize, space: Space) -> Result<Vec<f32>> {
        let count = rows.len() / length;
        let row = |at: usize| &rows[at * length..][..length];
        let (same, what) = match space {
            Space::Directions => (SAME_DIRECTION, "directions"),
            Space::Plain => (0.0, "values"),
        };
        let from = |centre: &[f32], before: &[f64]| -> Vec<f64> {
            let nearer = |(row, before): (&[f32], &f64)| {
                let distance = squared_distance(row, centre);
                before.min(if distance <= same { 0.0 } else { distance })
            };
            rows.par_chunks_exact(length).zip(before).map(nearer).collect()
        };
        let mut centres = row(Stream::new(self.seed, "kmeans", 0, 0).below(count)).to_vec();
        let mut distances = from(&centres, &vec![f64::INFINITY; count]);
        let trials = 2 + (self.clusters as f64).ln() as usize;
        for drawn in 1..self.clusters {
            let total: f64 = distances.iter().sum();
            if total <= 0.0 {
                return Err(Error::config(format!(
                    "{} groups, but the embeddings have {drawn} different {what}: ask for {drawn} at most",
                    self.clusters
                )));
            }
            let mut stream = Stream::new(self.seed, "kmeans", drawn as u64, 0);
            let mut best = (f64::INFINITY, 0, Vec::new());
            for _ in 0..trials {
                let at = draw(&distances, stream.uniform() * total);
                let left = from(row(at), &distances);
                let sum = left.iter().sum::<f64>();
                if sum < best.0 {
                    best = (sum, at, left);
                }
            }
            distances = best.2;
            centres.extend_from_slice(row(best.1));
        }
        Ok(centres)
    }
}

/// The row at which the running sum of distances passes `left`.
fn draw(distances: &[f64], mut left: f64) -> usize {
    let passed = |distance: &f64| {
        left -= distance;
        left < 0.0
    };
    let drawn = distances.iter().position(passed);
    // Rounding may leave a little of the sum: then the last row that is no centre.
    drawn.or_else(|| distances.iter().rposition(|distance| *distance > 0.0)).unwrap_or(0)
}

/// Groups renumbered by size.
fn sorted(labels: &[u32], centres: &[f32], length: usize, inertia: f64, iterations: usize) -> Clusters {
    let clusters = centres.len() / length;
    let mut sizes = vec![0; clusters];
    let mut first = vec![usize::MAX; clusters];
    for (at, &label) in labels.iter().enumerate() {
        sizes[label as usize] += 1;
        first[label as usize] = first[label as usize].min(at);
    }
    let mut order: Vec<usize> = (0..clusters).collect();
    order.sort_by_key(|&label| (std::cmp::Reverse(sizes[label]), first[label], label));
    let mut rank = vec![0; clusters];
    order.iter().enumerate().for_each(|(new, &old)| rank[old] = new as u32);
    Clusters {
        labels: labels.iter().map(|&label| rank[label as usize]).collect(),
        centres: order.iter().flat_map(|&old| &centres[old * length..][..length]).copied().collect(),
        sizes: order.iter().map(|&old| sizes[old]).collect(),
        inertia,
        iterations,
    }
}

#[cfg(test)]
mod tests;
