//! Against f64 sums, with odd sizes on every side.

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::ops::proof::{self, Proof};

fn product(inputs: usize, outputs: usize, x: &[Vec<f64>]) -> Vec<f64> {
    let rows = x[0].len() / inputs;
    (0..rows * outputs)
        .map(|at| {
            let (row, column) = (at / outputs, at % outputs);
            let terms = (0..inputs).map(|k| x[0][row * inputs + k] * x[1][column * inputs + k]);
            terms.sum::<f64>() + x.get(2).map_or(0.0, |b| b[column])
        })
        .collect()
}

#[test]
fn linear_and_its_gradients_equal_the_f64_reference() {
    for (leading, inputs, outputs) in [(&[2, 3][..], 1, 3), (&[5], 7, 17), (&[1, 2, 2], 24, 33), (&[65], 12, 5)] {
        let shape = [leading, &[inputs]].concat();
        let shapes: [&[usize]; 3] = [&shape, &[outputs, inputs], &[outputs]];
        let with_bias = Proof::new(1, &shapes, |x| product(inputs, outputs, x));
        let without = Proof::new(2, &shapes[..2], |x| product(inputs, outputs, x));
        for level in Level::available() {
            with_bias.holds(&format!("{level} {shape:?}"), 1e-6, |x| linear(level, &x[0], &x[1], Some(&x[2])));
            without.holds(&format!("{level} {shape:?} no bias"), 1e-6, |x| linear(level, &x[0], &x[1], None));
        }
    }
}

#[test]
fn linear_gelu_and_its_gradients_equal_the_f64_reference() {
    for (leading, inputs, outputs) in [(&[2, 3][..], 3, 7), (&[9], 17, 12), (&[2, 1], 33, 24)] {
        let shape = [leading, &[inputs]].concat();
        let shapes: [&[usize]; 3] = [&shape, &[outputs, inputs], &[outputs]];
        let reference = |x: &[Vec<f64>]| product(inputs, outputs, x).into_iter().map(proof::gelu).collect::<Vec<_>>();
        let with_bias = Proof::new(3, &shapes, reference);
        let without = Proof::new(4, &shapes[..2], reference);
        for level in Level::available() {
            with_bias.holds(&format!("{level} {shape:?}"), 2e-6, |x| linear_gelu(level, &x[0], &x[1], Some(&x[2])));
            without.holds(&format!("{level} {shape:?} no bias"), 2e-6, |x| linear_gelu(level, &x[0], &x[1], None));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_both_shapes() {
    let level = Level::detect();
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).expect("zeros");
    let (x, w) = (zeros(&[2, 3], DType::F32), zeros(&[5, 4], DType::F32));
    let error = linear(level, &x, &w, None).expect_err("4 is not 3").to_string();
    assert!(error.contains("[5, 4]") && error.contains("[2, 3]"), "{error}");
    let (w, b) = (zeros(&[5, 3], DType::F32), zeros(&[4], DType::F32));
    let error = linear(level, &x, &w, Some(&b)).expect_err("4 is not 5").to_string();
    assert!(error.contains("[4]") && error.contains("[5]"), "{error}");
    let error = linear(level, &x, &zeros(&[5, 3], DType::F64), None).expect_err("f64").to_string();
    assert!(error.contains("w is F64"), "{error}");
}

#[test]
fn no_rows_are_no_error() {
    let level = Level::detect();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let y = linear(level, &zeros(&[0, 3]), &zeros(&[5, 3]), Some(&zeros(&[5]))).expect("empty");
    assert_eq!(y.dims(), [0, 5]);
}
