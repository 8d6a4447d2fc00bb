//! Against f64, with odd widths and the rows that attention masks make.

use candle_core::Device;

use super::*;
use crate::ops::proof::Proof;
use crate::rng::Stream;

fn reference(columns: usize, x: &[f64]) -> Vec<f64> {
    x.chunks(columns)
        .flat_map(|row| {
            let highest = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|x| (x - highest).exp()).sum();
            row.iter().map(move |x| (x - highest).exp() / sum)
        })
        .collect()
}

#[test]
fn softmax_and_its_gradient_equal_the_f64_reference() {
    for shape in [&[3, 1][..], &[2, 2, 3], &[7], &[4, 12], &[2, 17], &[3, 24], &[2, 1, 33]] {
        let columns = shape[shape.len() - 1];
        let mut stream = Stream::new(5, "softmax", columns as u64, 0);
        let x = (0..shape.iter().product()).map(|_| stream.between(-4.0, 4.0) as f32).collect();
        let proof = Proof::at(vec![x], &[shape], |x| reference(columns, &x[0]));
        for level in Level::available() {
            proof.holds(&format!("{level} {shape:?}"), 1e-6, |x| softmax_last(level, &x[0]));
        }
    }
}

fn rows(level: Level, x: &[f32], columns: usize) -> Vec<f32> {
    let x = Tensor::from_slice(x, (x.len() / columns, columns), &Device::Cpu).expect("x");
    softmax_last(level, &x).and_then(|y| Ok(y.flatten_all()?.to_vec1()?)).expect("softmax")
}

#[test]
fn rows_that_are_masked_altogether_have_equal_shares() {
    for level in Level::available() {
        for columns in [1, 3, 16, 17, 49] {
            for value in [-100.0, -1e30, 0.0, 1e30] {
                for y in rows(level, &vec![value; 2 * columns], columns) {
                    assert!((y * columns as f32 - 1.0).abs() < 1e-6, "{level}: {columns} times {value}: {y}");
                }
            }
        }
    }
}

#[test]
fn what_a_mask_hides_has_no_share() {
    for level in Level::available() {
        let y = rows(level, &[1.0, -99.5, 0.5, -99.0, f32::NEG_INFINITY], 5);
        assert!(y[1] < 1e-30 && y[3] < 1e-30 && y[4] < 1e-30, "{level}: {y:?}");
        assert!((y[0] + y[2] - 1.0).abs() < 1e-6, "{level}: {y:?}");
    }
}

#[test]
fn a_nan_spreads_over_its_row_and_no_further() {
    for level in Level::available() {
        for columns in [3, 17, 33] {
            for at in 0..columns {
                let mut x = vec![0.25; 2 * columns];
                x[at] = f32::NAN;
                let y = rows(level, &x, columns);
                assert!(y[..columns].iter().all(|y| y.is_nan()), "{level}: NaN at {at} of {columns}: {y:?}");
                assert!(y[columns..].iter().all(|y| y.is_finite()), "{level}: {y:?}");
            }
        }
    }
}
