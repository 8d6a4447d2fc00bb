//! Directions: rows of length 1, the cosine between two, and the products and distances that both are made of.
//!
//! Sums run in lanes, then over the lanes: an order that a compiler can vectorise and that never changes.

use rayon::prelude::*;

/// Values that a task scales, at least.
const TASK: usize = 1 << 14;
/// Lanes of sums in f64.
const LANES: usize = 8;
/// Lanes of sums in f32.
const LANES_F32: usize = 16;

/// The rows scaled to length 1; rows without a direction (all zero, or not finite) become zero.
///
/// # Panics
/// Where the rows are not whole.
pub fn unit_rows(rows: &[f32], length: usize) -> Vec<f32> {
    scale_rows(rows, length, 0.0)
}

/// The rows scaled to length 1; all-zero rows stay, those that are not finite are filled with `broken`.
pub(super) fn scale_rows(rows: &[f32], length: usize, broken: f32) -> Vec<f32> {
    assert!(length > 0 && rows.len().is_multiple_of(length), "{} values are no rows of {length}", rows.len());
    let mut unit = vec![0.0f32; rows.len()];
    let pairs = unit.par_chunks_exact_mut(length).zip(rows.par_chunks_exact(length));
    pairs.with_min_len((TASK / length).max(1)).for_each(|(unit, row)| {
        // f64 holds the squares of all that f32 holds, so a norm that is not finite is a value's.
        let norm = dot(row, row).sqrt();
        if !norm.is_finite() {
            unit.fill(broken);
        } else if norm > 0.0 {
            let scale = 1.0 / norm;
            unit.iter_mut().zip(row).for_each(|(unit, value)| *unit = (f64::from(*value) * scale) as f32);
        }
    });
    unit
}

/// The cosine between two vectors; 0 where one has no direction.
///
/// # Panics
/// Where their lengths differ.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors of one length");
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    let cosine = dot(a, b) / norm;
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The product of two vectors, in f64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    in_lanes(a, b, |a, b| a * b)
}

/// The squared distance between two vectors, in f64; exactly 0 between equal ones.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    in_lanes(a, b, |a, b| (a - b) * (a - b))
}

#[inline(always)]
fn in_lanes(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += term(f64::from(a[lane]), f64::from(b[lane]));
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The product of two vectors, in f32: quick, and wrong by [`dot_f32_error`] at most.
pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES_F32];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES_F32>(), b.as_chunks::<LANES_F32>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES_F32 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    let mut width = LANES_F32 / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// How far [`dot_f32`] of two [`unit_rows`] may be from their cosine (Higham 2002, section 3.1).
///
/// Each product passes through one rounding of its own, one addition for each step of its lane and four over the lanes;
/// unit rows, rounded to f32, are of length 1 to one rounding each. One more stands for what is neglected.
pub(super) fn dot_f32_error(length: usize) -> f32 {
    let roundings = 1 + length.div_ceil(LANES_F32) + 4 + 2 + 1;
    roundings as f32 * (f32::EPSILON / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn length_does_not_matter_and_nothing_has_no_direction() {
        let unit = unit_rows(&[3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0], 2);
        assert_eq!(unit, [0.6, 0.8, 0.0, 0.0, 0.0, 0.0]);
        assert!((cosine(&[3.0, 4.0], &[4.0, 3.0]) - 0.96).abs() < 1e-15);
        assert_eq!((cosine(&[0.0, 0.0], &[1.0, 2.0]), cosine(&[f32::INFINITY, 0.0], &[1.0, 2.0])), (0.0, 0.0));
        // Values whose squares f32 cannot hold.
        let (tiny, huge) = (2f32.powi(-120), 2f32.powi(120));
        assert_eq!(unit_rows(&[3.0 * tiny, 4.0 * tiny, 3.0 * huge, -4.0 * huge], 2), [0.6, 0.8, 0.6, -0.8]);
    }

    #[test]
    fn sums_of_any_length_are_the_plain_ones() {
        for length in 1..70 {
            let a: Vec<f32> = (0..length).map(|at| (at as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..length).map(|at| (at as f32 * 1.3).cos()).collect();
            let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            let product: f64 = pairs().map(|(a, b)| a * b).sum();
            let distance: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
            assert!((dot(&a, &b) - product).abs() < 1e-13, "length {length}");
            assert!((squared_distance(&a, &b) - distance).abs() < 1e-13, "length {length}");
            assert!((f64::from(dot_f32(&a, &b)) - product).abs() < 1e-5, "length {length}");
            assert_eq!(squared_distance(&a, &a), 0.0);
        }
    }

    #[test]
    fn products_in_f32_stay_within_their_bound() {
        for length in [3, 16, 100, 256, 1536] {
            let mut stream = Stream::new(2, "bound", 0, length as u64);
            // Positive values: roundings of one sign do not cancel.
            let rows: Vec<f32> = (0..400 * length).map(|_| stream.uniform() as f32).collect();
            let unit = unit_rows(&rows, length);
            let error = |pair: &[f32]| {
                let (a, b) = pair.split_at(length);
                (f64::from(dot_f32(a, b)) - cosine(a, b)).abs()
            };
            let worst = unit.chunks_exact(2 * length).map(error).fold(0.0, f64::max);
            let bound = f64::from(dot_f32_error(length));
            assert!(worst < bound && worst > bound / 200.0, "length {length}: {worst:e} of {bound:e}");
        }
    }
}
