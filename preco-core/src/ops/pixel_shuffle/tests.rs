//! Against the formula read from the channels' side.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;

#[test]
fn shuffling_and_its_gradient_equal_the_formula() {
    for (count, channels, height, width, factor) in [(1, 1, 2, 3, 2), (2, 3, 3, 1, 3), (2, 2, 1, 4, 1), (1, 3, 2, 2, 4)]
    {
        let shape = [count, channels * factor * factor, height, width];
        let proof = Proof::new(1, &[&shape], |x| {
            let mut y = vec![0.0; x[0].len()];
            for (at, value) in x[0].iter().enumerate() {
                let (w, h, channel) = (at % width, at / width % height, at / width / height);
                let (j, i, plane) = (channel % factor, channel / factor % factor, channel / factor / factor);
                y[(plane * height * factor + h * factor + i) * width * factor + w * factor + j] = *value;
            }
            y
        });
        proof.holds(&format!("{shape:?} by {factor}"), 1e-7, |x| pixel_shuffle(&x[0], factor));
    }
}

#[test]
fn channels_become_the_pixels_of_a_square_row_by_row() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], (1, 4, 1, 1), &Device::Cpu).expect("x");
    let y = pixel_shuffle(&x, 2).and_then(|y| Ok(y.squeeze(0)?.squeeze(0)?.to_vec2::<f32>()?)).expect("shuffle");
    assert_eq!(y, [[1.0, 2.0], [3.0, 4.0]]);
}

#[test]
fn channels_that_make_no_squares_are_refused() {
    let x = Tensor::zeros((1, 6, 2, 2), DType::F32, &Device::Cpu).expect("zeros");
    for factor in [0, 2] {
        let error = pixel_shuffle(&x, factor).expect_err("6 channels").to_string();
        assert!(error.contains("x has 6"), "{error}");
    }
}
