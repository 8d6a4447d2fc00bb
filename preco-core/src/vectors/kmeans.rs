//! Groups of like embeddings: k-means over directions (Lloyd's iterations, seeds by k-means++).
//!
//! Arthur and Vassilvitskii 2007 for the seeds; rows are scaled to length 1 first, so the squared distance is
//! `2 − 2 cos`. The same rows and seed give the same groups on any machine: random numbers come from a named stream.

use rayon::prelude::*;

use super::unit::{dot, unit_rows};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Rows whose sums one task makes; sums of tasks are added in order.
const CHUNK: usize = 1024;

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
    /// The group of each row; group 0 is the largest, of equal ones the one whose first row comes first.
    pub labels: Vec<u32>,
    /// The mean direction of each group, one after the other; not of length 1.
    pub centres: Vec<f32>,
    /// Rows of each group.
    pub sizes: Vec<usize>,
    /// The sum of squared distances of rows' directions from their centres.
    pub inertia: f64,
    /// Iterations that were needed.
    pub iterations: usize,
}

impl KMeans {
    /// Groups `rows`, each of `length` values.
    ///
    /// # Errors
    /// [`Error::Config`] where there are more groups than different rows, none, or a value that is not finite.
    ///
    /// # Panics
    /// Where the rows are not whole.
    pub fn fit(&self, rows: &[f32], length: usize) -> Result<Clusters> {
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(Error::config(format!("embedding {} holds {}, no number to group by", at / length, rows[at])));
        }
        let unit = unit_rows(rows, length);
        let count = unit.len() / length;
        if self.clusters == 0 || self.clusters > count {
            return Err(Error::config(format!("{} groups of {count} embeddings: ask for 1 to {count}", self.clusters)));
        }
        let mut centres = self.seeds(&unit, length)?;
        let mut labels = vec![u32::MAX; count];
        let mut iterations = 0;
        loop {
            let nearest: Vec<(u32, f64)> =
                unit.par_chunks_exact(length).map(|row| assign(row, &centres, length)).collect();
            let changed = labels.iter().zip(&nearest).any(|(old, (new, _))| old != new);
            labels = nearest.iter().map(|(label, _)| *label).collect();
            if !changed || iterations == self.iterations {
                let inertia = nearest.iter().map(|(_, distance)| distance).sum();
                return Ok(sorted(labels, &centres, length, inertia, iterations));
            }
            iterations += 1;
            centres = means(&unit, &labels, &nearest, self.clusters, length);
        }
    }

    /// Each next centre is a row, drawn by its squared distance from the centres so far (greedy k-means++).
    fn seeds(&self, unit: &[f32], length: usize) -> Result<Vec<f32>> {
        let count = unit.len() / length;
        let row = |at: usize| &unit[at * length..(at + 1) * length];
        let mut stream = Stream::new(self.seed, "kmeans", 0, 0);
        let mut centres = row(stream.below(count)).to_vec();
        let mut distances: Vec<f64> = unit.par_chunks_exact(length).map(|row| distance(row, &centres)).collect();
        let trials = 2 + (self.clusters as f64).ln() as usize;
        while centres.len() < self.clusters * length {
            let total: f64 = distances.iter().sum();
            if total <= 0.0 {
                let different = centres.len() / length;
                return Err(Error::config(format!(
                    "{} groups, but the embeddings have {different} different directions: ask for {different} at most",
                    self.clusters
                )));
            }
            // Of several draws the one that leaves the least: a single one often puts two centres into a large group.
            let draws: Vec<usize> = (0..trials).map(|_| draw(&distances, stream.uniform() * total)).collect();
            let left =
                |at: &usize| unit.par_chunks_exact(length).map(|other| distance(other, row(*at))).collect::<Vec<f64>>();
            let left: Vec<Vec<f64>> = draws.iter().map(left).collect();
            let sum = |new: &[f64]| distances.iter().zip(new).map(|(old, new)| old.min(*new)).sum::<f64>();
            let sums: Vec<f64> = left.iter().map(|new| sum(new)).collect();
            let best = (0..trials).min_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0);
            distances.iter_mut().zip(&left[best]).for_each(|(old, new)| *old = old.min(*new));
            centres.extend_from_slice(row(draws[best]));
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

fn distance(row: &[f32], centre: &[f32]) -> f64 {
    (dot(row, row) - 2.0 * dot(row, centre) + dot(centre, centre)).max(0.0)
}

/// The nearest centre, the first of equal ones, and its squared distance.
fn assign(row: &[f32], centres: &[f32], length: usize) -> (u32, f64) {
    let distances = centres.chunks_exact(length).map(|centre| distance(row, centre));
    let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.map_or((0, 0.0), |(at, distance)| (at as u32, distance))
}

/// The mean of each group's rows; an empty group takes the row farthest from its centre.
fn means(unit: &[f32], labels: &[u32], nearest: &[(u32, f64)], clusters: usize, length: usize) -> Vec<f32> {
    let sums = |(rows, labels): (&[f32], &[u32])| {
        let mut sums = vec![0.0f64; clusters * (length + 1)];
        for (row, &label) in rows.chunks_exact(length).zip(labels) {
            let sum = &mut sums[label as usize * (length + 1)..][..length + 1];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            sum[length] += 1.0;
        }
        sums
    };
    let parts: Vec<Vec<f64>> = unit.par_chunks(CHUNK * length).zip(labels.par_chunks(CHUNK)).map(sums).collect();
    let mut total = vec![0.0; clusters * (length + 1)];
    parts.iter().for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
    let mut taken = vec![false; labels.len()];
    let mut centres = Vec::with_capacity(clusters * length);
    for sum in total.chunks_exact(length + 1) {
        if sum[length] > 0.0 {
            centres.extend(sum[..length].iter().map(|value| (value / sum[length]) as f32));
            continue;
        }
        let free = nearest.iter().enumerate().filter(|(at, _)| !taken[*at]);
        let far = free.max_by(|a, b| a.1.1.total_cmp(&b.1.1).then(b.0.cmp(&a.0))).map_or(0, |(at, _)| at);
        taken[far] = true;
        centres.extend_from_slice(&unit[far * length..(far + 1) * length]);
    }
    centres
}

/// Groups renumbered by size.
fn sorted(labels: Vec<u32>, centres: &[f32], length: usize, inertia: f64, iterations: usize) -> Clusters {
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
        labels: labels.into_iter().map(|label| rank[label as usize]).collect(),
        centres: order.iter().flat_map(|&old| &centres[old * length..(old + 1) * length]).copied().collect(),
        sizes: order.iter().map(|&old| sizes[old]).collect(),
        inertia,
        iterations,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around `groups` axes, the first axis with most of them.
    fn planted(groups: usize, length: usize) -> (Vec<f32>, Vec<usize>) {
        let mut stream = Stream::new(9, "planted", 0, 0);
        let (mut rows, mut truth) = (Vec::new(), Vec::new());
        for group in 0..groups {
            for _ in 0..40 * (groups - group) {
                let scale = stream.between(0.5, 20.0);
                let value = |axis: usize| scale * (if axis == group { 1.0 } else { 0.0 } + 0.15 * stream.normal());
                rows.extend((0..length).map(value).map(|value| value as f32).collect::<Vec<_>>());
                truth.push(group);
            }
        }
        (rows, truth)
    }

    #[test]
    fn planted_groups_are_found_largest_first_whatever_the_threads() {
        let (rows, truth) = planted(5, 12);
        let asked = KMeans { clusters: 5, iterations: 100, seed: 0 };
        let found = asked.fit(&rows, 12).expect("groups");
        assert_eq!(found.labels.iter().map(|&label| label as usize).collect::<Vec<_>>(), truth);
        assert_eq!(found.sizes, [200, 160, 120, 80, 40]);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            assert_eq!(pool.install(|| asked.fit(&rows, 12)).expect("groups"), found);
        }
    }

    #[test]
    fn no_row_is_nearer_to_another_centre_and_centres_are_means() {
        let (rows, _) = planted(4, 6);
        let found = KMeans { clusters: 7, iterations: 500, seed: 3 }.fit(&rows, 6).expect("groups");
        let unit = unit_rows(&rows, 6);
        for (row, &label) in unit.chunks_exact(6).zip(&found.labels) {
            assert_eq!(assign(row, &found.centres, 6).0, label);
        }
        for group in 0..7 {
            let members: Vec<&[f32]> = unit
                .chunks_exact(6)
                .zip(&found.labels)
                .filter(|(_, label)| **label == group)
                .map(|(row, _)| row)
                .collect();
            for axis in 0..6 {
                let mean = members.iter().map(|row| f64::from(row[axis])).sum::<f64>() / members.len() as f64;
                assert!((mean - f64::from(found.centres[group as usize * 6 + axis])).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_cannot_be_grouped_is_refused() {
        let rows = [1.0, 0.0, 2.0, 0.0, 0.0, 1.0];
        for (clusters, needle) in [(0, "0 groups of 3"), (4, "4 groups of 3"), (3, "2 different directions")] {
            let error = KMeans { clusters, iterations: 9, seed: 0 }.fit(&rows, 2).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
        let asked = KMeans { clusters: 1, iterations: 9, seed: 0 };
        assert!(asked.fit(&[1.0, f32::NAN], 2).expect_err("NaN").to_string().contains("holds NaN"));
    }
}
