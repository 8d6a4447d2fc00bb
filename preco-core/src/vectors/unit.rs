//! Directions: rows of length 1, and the cosine between two.

/// Sums in this many lanes, then the lanes: an order that a compiler can vectorise and that never changes.
const LANES: usize = 8;

/// The rows scaled to length 1; rows without a direction (all zero, or not finite) become zero.
///
/// # Panics
/// Where the rows are not whole.
pub fn unit_rows(rows: &[f32], length: usize) -> Vec<f32> {
    assert!(length > 0 && rows.len().is_multiple_of(length), "{} values are no rows of {length}", rows.len());
    let mut unit = rows.to_vec();
    for row in unit.chunks_exact_mut(length) {
        let norm = dot(row, row).sqrt();
        let scale = if norm > 0.0 && norm.is_finite() { 1.0 / norm } else { 0.0 };
        for value in row {
            *value = if scale == 0.0 { 0.0 } else { (f64::from(*value) * scale) as f32 };
        }
    }
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
    let mut lanes = [0.0f64; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 =
        a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_does_not_matter_and_nothing_has_no_direction() {
        let unit = unit_rows(&[3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0], 2);
        assert_eq!(unit, [0.6, 0.8, 0.0, 0.0, 0.0, 0.0]);
        assert!((cosine(&[3.0, 4.0], &[4.0, 3.0]) - 0.96).abs() < 1e-15);
        assert_eq!((cosine(&[0.0, 0.0], &[1.0, 2.0]), cosine(&[f32::INFINITY, 0.0], &[1.0, 2.0])), (0.0, 0.0));
    }

    #[test]
    fn a_product_of_any_length_is_the_sum_of_products() {
        for length in 1..40 {
            let a: Vec<f32> = (0..length).map(|at| (at as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..length).map(|at| (at as f32 * 1.3).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((dot(&a, &b) - plain).abs() < 1e-14, "length {length}");
        }
    }
}
