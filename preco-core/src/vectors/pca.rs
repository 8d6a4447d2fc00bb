//! The directions in which embeddings differ most: principal components.
//!
//! Covariance about the mean (divided by the number of rows) and its eigenvectors, all in f64 and in a fixed order; the
//! largest value of each component is positive. So the same rows give the same components whatever the threads. Time
//! grows with `rows length²` and `length³`, not with the number of components.

use rayon::prelude::*;

use super::colours::to_rgb;
use super::eigen::largest;
use crate::error::{Error, Result};

/// Rows whose sum one task makes; sums of tasks are added in order.
const CHUNK: usize = 2048;
/// Rows whose products are summed before the next: columns of 2 KiB.
const BLOCK: usize = 256;
/// Rows of the covariance that a task works on.
const GROUP: usize = 4;
/// Values of a row at most: the covariance of so many takes 512 MiB.
const MOST: usize = 8192;
/// A variance below this part of the largest is rounding.
const ROUNDING: f64 = 1e-13;

/// Principal components of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// The rows' mean.
    pub mean: Vec<f64>,
    /// Components of length 1, the strongest first, one after the other; the largest value of each is positive. Zeros
    /// where the rows differ in fewer directions.
    pub components: Vec<f64>,
    /// The share of the whole variance along each component, 0 to 1.
    pub explained: Vec<f64>,
}

impl Pca {
    /// The `count` strongest components of `rows`, each of `length` values.
    ///
    /// Where rows differ in fewer directions (equal rows, `count` rows or fewer), further components are all zero, with
    /// share 0 and projections 0.
    ///
    /// # Errors
    /// [`Error::Config`] without rows, with rows that are not whole or of more than 8192 values, with values that are
    /// not finite, and for no component or more than values.
    pub fn fit(rows: &[f32], length: usize, count: usize) -> Result<Self> {
        check(rows, length, count)?;
        let mean = mean(rows, length);
        let covariance = covariance(rows, &mean);
        let total: f64 = (0..length).map(|at| covariance[at * length + at]).sum();
        let (values, mut components) = largest(covariance, length, count);
        let least = ROUNDING * values[0];
        let share = |&value: &f64| if value > least { (value / total).min(1.0) } else { 0.0 };
        let explained: Vec<f64> = values[..count].iter().map(share).collect();
        for (component, share) in components.chunks_exact_mut(length).zip(&explained) {
            if *share > 0.0 { positive(component) } else { component.fill(0.0) }
        }
        Ok(Self { mean, components, explained })
    }

    /// The rows along the components; NaN for a row that is not finite.
    ///
    /// # Shapes
    /// `(rows, components)`.
    ///
    /// # Panics
    /// Where the rows are not whole.
    pub fn project(&self, rows: &[f32]) -> Vec<f32> {
        let length = self.mean.len();
        assert!(rows.len().is_multiple_of(length), "{} values are no rows of {length}", rows.len());
        let along = |row: &[f32]| {
            let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(value, mean)| f64::from(*value) - mean).collect();
            let one = |component: &[f64]| super::eigen::dot(&centred, component) as f32;
            self.components.chunks_exact(length).map(one).collect::<Vec<_>>()
        };
        rows.par_chunks_exact(length).flat_map_iter(along).collect()
    }

    /// Projections as colours, those of [`to_rgb`] with every row valid.
    ///
    /// # Panics
    /// Where there are not three components, or the rows are not whole.
    pub fn colours(&self, rows: &[f32]) -> Vec<[u8; 3]> {
        assert_eq!(self.explained.len(), 3, "three components are colours");
        let projected = self.project(rows);
        to_rgb(&projected, &vec![true; projected.len() / 3])
    }
}

fn check(rows: &[f32], length: usize, count: usize) -> Result<()> {
    if length == 0 || !rows.len().is_multiple_of(length) {
        return Err(Error::config(format!("{} values are no rows of {length}", rows.len())));
    }
    if length > MOST {
        return Err(Error::config(format!("components of rows of {length} values: {MOST} at most")));
    }
    if count == 0 || count > length {
        return Err(Error::config(format!("{count} components of rows of {length} values: ask for 1 to {length}")));
    }
    if rows.is_empty() {
        return Err(Error::config(format!("{count} components of 0 rows: there is nothing that differs")));
    }
    if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
        return Err(Error::config(format!("embedding {} holds {}, no number: leave it out", at / length, rows[at])));
    }
    Ok(())
}

fn mean(rows: &[f32], length: usize) -> Vec<f64> {
    let sums = |rows: &[f32]| {
        let mut sum = vec![0.0f64; length];
        rows.chunks_exact(length).for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x)));
        sum
    };
    let parts: Vec<Vec<f64>> = rows.par_chunks(CHUNK * length).map(sums).collect();
    let mut total = vec![0.0; length];
    parts.iter().for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
    let count = (rows.len() / length) as f64;
    total.into_iter().map(|sum| sum / count).collect()
}

/// Block after block of rows, turned into columns: threads share the covariance's rows, never a sum.
fn covariance(rows: &[f32], mean: &[f64]) -> Vec<f64> {
    let length = mean.len();
    let count = rows.len() / length;
    let height = count.min(BLOCK);
    let mut columns = vec![0.0; length * height];
    let mut sums = vec![0.0; length * length];
    for block in rows.chunks(height * length) {
        columns.par_chunks_exact_mut(height).zip(mean).enumerate().with_min_len(16).for_each(|(at, (column, mean))| {
            // The last block may be lower.
            column.fill(0.0);
            let rows = block.chunks_exact(length);
            column.iter_mut().zip(rows).for_each(|(value, row)| *value = f64::from(row[at]) - mean);
        });
        let column = |at: usize| &columns[at.min(length - 1) * height..][..height];
        sums.par_chunks_mut(GROUP * length).enumerate().for_each(|(group, sums)| {
            let first = group * GROUP;
            let four = [0, 1, 2, 3].map(|beside| column(first + beside));
            for at in first..length {
                let products = products(four, column(at));
                sums.chunks_exact_mut(length).zip(products).for_each(|(row, product)| row[at] += product);
            }
        });
    }
    for (row, column) in (0..length).flat_map(|row| (row..length).map(move |column| (row, column))) {
        sums[row * length + column] /= count as f64;
        sums[column * length + row] = sums[row * length + column];
    }
    sums
}

/// The products of four columns with another, in four lanes each.
fn products(four: [&[f64]; GROUP], other: &[f64]) -> [f64; GROUP] {
    let mut lanes = [[0.0; 4]; GROUP];
    let (other, other_rest) = other.as_chunks::<4>();
    let whole = four.map(|column| &column.as_chunks::<4>().0[..other.len()]);
    for (at, other) in other.iter().enumerate() {
        for (lanes, whole) in lanes.iter_mut().zip(&whole) {
            for lane in 0..4 {
                lanes[lane] += whole[at][lane] * other[lane];
            }
        }
    }
    let mut sums = lanes.map(|lanes| (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
    for (sum, column) in sums.iter_mut().zip(four) {
        let rest = &column[column.len() - other_rest.len()..];
        *sum += rest.iter().zip(other_rest).map(|(a, b)| a * b).sum::<f64>();
    }
    sums
}

/// The same direction with its largest value positive, the first of equal ones.
fn positive(vector: &mut [f64]) {
    let farther = |most: f64, value: &f64| if value.abs() > most.abs() { *value } else { most };
    if vector.iter().fold(0.0, farther) < 0.0 {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
}

#[cfg(test)]
mod tests;
