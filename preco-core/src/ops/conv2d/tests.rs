//! Against the sum over channels and kernel in f64.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;

/// A convolution with kernel = stride = `side`, zeros beyond the edges; inputs x, w and perhaps b.
fn reference(
    [count, channels, height, width]: [usize; 4],
    outputs: usize,
    side: usize,
    inputs: &[Vec<f64>],
) -> Vec<f64> {
    let (rows, columns) = (height.div_ceil(side), width.div_ceil(side));
    let mut y = Vec::new();
    for at in 0..count * outputs * rows * columns {
        let (column, row, output) = (at % columns, at / columns % rows, at / columns / rows % outputs);
        let image = at / columns / rows / outputs;
        let mut sum = inputs.get(2).map_or(0.0, |b| b[output]);
        for k in 0..channels * side * side {
            let (j, i, channel) = (k % side, k / side % side, k / side / side);
            let (py, px) = (row * side + i, column * side + j);
            if py < height && px < width {
                let pixel = ((image * channels + channel) * height + py) * width + px;
                sum += inputs[0][pixel] * inputs[1][output * channels * side * side + k];
            }
        }
        y.push(sum);
    }
    y
}

#[test]
fn patch_convolution_and_its_gradients_equal_the_f64_reference() {
    for (image, outputs, side) in
        [([2, 3, 8, 8], 12, 4), ([1, 3, 7, 10], 7, 4), ([2, 1, 5, 3], 17, 2), ([1, 2, 3, 4], 3, 1)]
    {
        let shapes: [&[usize]; 3] = [&image, &[outputs, image[1], side, side], &[outputs]];
        let with_bias = Proof::new(1, &shapes, |x| reference(image, outputs, side, x));
        let without = Proof::new(2, &shapes[..2], |x| reference(image, outputs, side, x));
        for level in Level::available() {
            let label = format!("{level} {image:?} {side}");
            with_bias.holds(&label, 1e-6, |x| patch_convolution(level, &x[0], &x[1], Some(&x[2]), side));
            without.holds(&label, 1e-6, |x| patch_convolution(level, &x[0], &x[1], None, side));
        }
    }
}

#[test]
fn pointwise_convolution_and_its_gradients_equal_the_f64_reference() {
    for (image, outputs) in [([2, 3, 3, 5], 7), ([1, 17, 2, 2], 24), ([3, 33, 1, 1], 1), ([2, 12, 5, 7], 3)] {
        let shapes: [&[usize]; 3] = [&image, &[outputs, image[1], 1, 1], &[outputs]];
        let with_bias = Proof::new(3, &shapes, |x| reference(image, outputs, 1, x));
        let without = Proof::new(4, &[&image, &[outputs, image[1]]], |x| reference(image, outputs, 1, x));
        for level in Level::available() {
            let label = format!("{level} {image:?}");
            with_bias.holds(&label, 1e-6, |x| pointwise_convolution(level, &x[0], &x[1], Some(&x[2])));
            without.holds(&label, 1e-6, |x| pointwise_convolution(level, &x[0], &x[1], None));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_both_shapes() {
    let level = Level::detect();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let x = zeros(&[1, 3, 4, 4]);
    for w in [&[5, 4, 1, 1][..], &[5, 3, 2, 2], &[5]] {
        let error = pointwise_convolution(level, &x, &zeros(w), None).expect_err("w").to_string();
        assert!(error.contains(&format!("{w:?}")) && error.contains("[1, 3, 4, 4]"), "{error}");
    }
    let error = patch_convolution(level, &x, &zeros(&[5, 3, 2, 3]), None, 2).expect_err("w").to_string();
    assert!(error.contains("[5, 3, 2, 3]") && error.contains("[5, 3, 2, 2]"), "{error}");
    assert!(patch_convolution(level, &x, &zeros(&[5, 3, 0, 0]), None, 0).is_err());
}
