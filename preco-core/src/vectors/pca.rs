//! The directions in which embeddings differ most: principal components, by subspace iteration.
//!
//! Covariance in f64; a block of vectors is multiplied by it and made orthonormal until its Rayleigh quotients stand
//! still (Golub and Van Loan, 8.2.4). The start is fixed and signs are chosen, so the same rows give the same components.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::rng::Stream;

/// Rows whose products one task sums; sums of tasks are added in order.
const CHUNK: usize = 2048;
/// Vectors beside those asked for: the more, the faster the iteration converges.
const BESIDE: usize = 8;
/// Iterations at most.
const MOST: usize = 1000;
/// A quotient that changes by less than this part of the largest stands still.
const STILL: f64 = 1e-12;

/// Principal components of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// The rows' mean.
    pub mean: Vec<f64>,
    /// Components of length 1, the strongest first, one after the other; the largest value of each is positive.
    pub components: Vec<f64>,
    /// The share of the whole variance along each component.
    pub explained: Vec<f64>,
}

impl Pca {
    /// The `count` strongest components of `rows`, each of `length` values.
    ///
    /// Where rows differ in fewer directions, further components are orthogonal ones with share 0.
    ///
    /// # Errors
    /// [`Error::Config`] without rows, with values that are not finite, and for more components than values.
    ///
    /// # Panics
    /// Where the rows are not whole.
    pub fn fit(rows: &[f32], length: usize, count: usize) -> Result<Self> {
        assert!(length > 0 && rows.len().is_multiple_of(length), "{} values are no rows of {length}", rows.len());
        if rows.is_empty() || count == 0 || count > length {
            return Err(Error::config(format!(
                "{count} components of {} rows of {length} values",
                rows.len() / length
            )));
        }
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(Error::config(format!("embedding {} holds {}, no number", at / length, rows[at])));
        }
        let mean = mean(rows, length);
        let covariance = covariance(rows, &mean);
        let width = (count + BESIDE).min(length);
        let mut stream = Stream::new(0, "pca", 0, 0);
        let mut block: Vec<Vec<f64>> = (0..width).map(|_| (0..length).map(|_| stream.normal()).collect()).collect();
        orthonormalise(&mut block);
        let mut before = vec![f64::INFINITY; count];
        for _ in 0..MOST {
            let products: Vec<Vec<f64>> = block.par_iter().map(|vector| times(&covariance, vector)).collect();
            let (quotients, rotated) = rotate(&block, &products);
            let largest = quotients[0].max(f64::MIN_POSITIVE);
            let still = before.iter().zip(&quotients).all(|(before, now)| (before - now).abs() <= STILL * largest);
            block = rotated;
            before = quotients[..count].to_vec();
            if still {
                break;
            }
            block = block.par_iter().map(|vector| times(&covariance, vector)).collect();
            orthonormalise(&mut block);
        }
        let total: f64 = (0..length).map(|at| covariance[at * length + at]).sum();
        let explained = before.iter().map(|&value| if total > 0.0 { value.max(0.0) / total } else { 0.0 }).collect();
        block.truncate(count);
        block.iter_mut().for_each(|vector| positive(vector));
        Ok(Self { mean, components: block.concat(), explained })
    }

    /// The rows along the components.
    ///
    /// # Shapes
    /// `(rows, components)`.
    pub fn project(&self, rows: &[f32]) -> Vec<f32> {
        let length = self.mean.len();
        let along = |row: &[f32]| {
            let one = |component: &[f64]| {
                let centred = row.iter().zip(&self.mean).map(|(value, mean)| f64::from(*value) - mean);
                centred.zip(component).map(|(value, weight)| value * weight).sum::<f64>() as f32
            };
            self.components.chunks_exact(length).map(one).collect::<Vec<_>>()
        };
        rows.par_chunks_exact(length).flat_map_iter(along).collect()
    }

    /// Projections as colours: each component from its 2nd to its 98th percentile becomes 0 to 255, rounded.
    ///
    /// # Panics
    /// Where there are not three components.
    pub fn colours(&self, rows: &[f32]) -> Vec<[u8; 3]> {
        assert_eq!(self.explained.len(), 3, "three components are colours");
        let projected = self.project(rows);
        let mut colours = vec![[0; 3]; projected.len() / 3];
        for channel in 0..3 {
            let mut sorted: Vec<f32> = projected.iter().skip(channel).step_by(3).copied().collect();
            sorted.sort_by(f32::total_cmp);
            let rank = |percent: f64| ((percent / 100.0 * sorted.len() as f64).ceil() as usize).max(1) - 1;
            let (low, high) = (f64::from(sorted[rank(2.0)]), f64::from(sorted[rank(98.0)]));
            for (colour, values) in colours.iter_mut().zip(projected.chunks_exact(3)) {
                let share = (f64::from(values[channel]) - low) / (high - low);
                colour[channel] = if high > low { (255.0 * share.clamp(0.0, 1.0)).round() as u8 } else { 128 };
            }
        }
        colours
    }
}

fn mean(rows: &[f32], length: usize) -> Vec<f64> {
    let sums = |rows: &[f32]| {
        let mut sum = vec![0.0; length];
        rows.chunks_exact(length).for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x)));
        sum
    };
    let count = (rows.len() / length) as f64;
    in_order(rows.par_chunks(CHUNK * length).map(sums).collect(), length).into_iter().map(|sum| sum / count).collect()
}

fn covariance(rows: &[f32], mean: &[f64]) -> Vec<f64> {
    let length = mean.len();
    let products = |rows: &[f32]| {
        let mut sums = vec![0.0; length * length];
        for row in rows.chunks_exact(length) {
            let centred: Vec<f64> = row.iter().zip(mean).map(|(value, mean)| f64::from(*value) - mean).collect();
            for (value, sums) in centred.iter().zip(sums.chunks_exact_mut(length)) {
                sums.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += value * other);
            }
        }
        sums
    };
    let count = (rows.len() / length) as f64;
    let sums = in_order(rows.par_chunks(CHUNK * length).map(products).collect(), length * length);
    sums.into_iter().map(|sum| sum / count).collect()
}

fn in_order(parts: Vec<Vec<f64>>, length: usize) -> Vec<f64> {
    let mut total = vec![0.0; length];
    parts.iter().for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
    total
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// Gram-Schmidt, twice over; a vector that depends on those before it is replaced by an axis that does not.
fn orthonormalise(block: &mut [Vec<f64>]) {
    for at in 0..block.len() {
        let (before, rest) = block.split_at_mut(at);
        let scale = dot(&rest[0], &rest[0]).sqrt();
        let mut candidate = rest[0].clone();
        let length = candidate.len();
        let mut axis = 0;
        loop {
            for _ in 0..2 {
                for other in &*before {
                    let share = dot(&candidate, other);
                    candidate.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
                }
            }
            let norm = dot(&candidate, &candidate).sqrt();
            let least = if axis == 0 { 1e-10 * scale } else { 1e-3 / length as f64 };
            if norm > least && norm > 0.0 {
                candidate.iter_mut().for_each(|value| *value /= norm);
                break;
            }
            candidate = vec![0.0; length];
            candidate[axis % length] = 1.0;
            axis += 1;
        }
        rest[0] = candidate;
    }
}

/// Rayleigh and Ritz: the block turned so that its vectors' quotients are the eigenvalues of the small problem, falling.
fn rotate(block: &[Vec<f64>], products: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let width = block.len();
    let mut small = vec![0.0; width * width];
    for row in 0..width {
        for column in 0..width {
            let value = 0.5 * (dot(&block[row], &products[column]) + dot(&block[column], &products[row]));
            small[row * width + column] = value;
        }
    }
    let turned = jacobi(&mut small, width);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| small[b * width + b].total_cmp(&small[a * width + a]));
    let vector = |column: usize| {
        let mut sum = vec![0.0; block[0].len()];
        for (row, vector) in block.iter().enumerate() {
            let weight = turned[row * width + column];
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    };
    (order.iter().map(|&at| small[at * width + at]).collect(), order.iter().map(|&at| vector(at)).collect())
}

/// Cyclic Jacobi rotations: the symmetric `matrix` becomes diagonal, its eigenvectors come back as columns.
fn jacobi(matrix: &mut [f64], size: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; size * size];
    (0..size).for_each(|at| vectors[at * size + at] = 1.0);
    for _ in 0..60 {
        let beside: f64 = (0..size)
            .flat_map(|row| (0..row).map(move |column| (row, column)))
            .map(|(r, c)| matrix[r * size + c].powi(2))
            .sum();
        let diagonal: f64 = (0..size).map(|at| matrix[at * size + at].powi(2)).sum();
        if beside <= 1e-30 * diagonal || beside == 0.0 {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                let off = matrix[p * size + q];
                if off == 0.0 {
                    continue;
                }
                let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * off);
                let tangent =
                    if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt()) };
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                for at in 0..size {
                    let (a, b) = (matrix[at * size + p], matrix[at * size + q]);
                    (matrix[at * size + p], matrix[at * size + q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                for at in 0..size {
                    let (a, b) = (matrix[p * size + at], matrix[q * size + at]);
                    (matrix[p * size + at], matrix[q * size + at]) = (cosine * a - sine * b, sine * a + cosine * b);
                    let (a, b) = (vectors[at * size + p], vectors[at * size + q]);
                    (vectors[at * size + p], vectors[at * size + q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
            }
        }
    }
    vectors
}

/// The same direction with its largest value positive, the first of equal ones.
fn positive(vector: &mut [f64]) {
    let largest =
        vector.iter().fold(0.0f64, |largest, value| if value.abs() > largest.abs() { *value } else { largest });
    if largest < 0.0 {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
}

#[cfg(test)]
mod tests;
