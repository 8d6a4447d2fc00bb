//! Against f64, with odd widths, more rows than one task takes, and rows whose deviation is near √ε.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;
use crate::rng::Stream;

fn reference(channels: usize, inputs: &[Vec<f64>]) -> Vec<f64> {
    let (gamma, beta) = (&inputs[1], &inputs[2]);
    let mut y = Vec::new();
    for row in inputs[0].chunks(channels) {
        let mean = row.iter().sum::<f64>() / channels as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / channels as f64;
        let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
        y.extend(row.iter().enumerate().map(|(j, x)| (x - mean) * inverse * gamma[j] + beta[j]));
    }
    y
}

#[test]
fn layer_norm_and_its_gradients_equal_the_f64_reference() {
    for (leading, channels) in [(&[2, 3][..], 3), (&[5], 7), (&[2, 1, 2], 12), (&[9], 17), (&[3], 24), (&[131], 33)] {
        let shape = [leading, &[channels]].concat();
        let proof = Proof::new(1, &[&shape, &[channels], &[channels]], |x| reference(channels, x));
        for level in Level::available() {
            proof.holds(&format!("{level} {shape:?}"), 2e-6, |x| layer_norm(level, &x[0], &x[1], &x[2]));
        }
    }
}

#[test]
fn epsilon_and_two_passes_keep_rows_of_small_deviation_on_a_large_mean_right() {
    let mut stream = Stream::new(4, "rows", 0, 0);
    let x: Vec<f32> = (0..6 * 24).map(|_| 4.0 + stream.between(-1.0, 1.0) as f32 * 4e-3).collect();
    let parameters = || vec![0.75; 24];
    let shapes: [&[usize]; 3] = [&[6, 24], &[24], &[24]];
    // Differences of a step of 1e-4 are coarse where the deviation is 2e-3: only the output is compared.
    let want = reference(24, &[x.iter().map(|&x| f64::from(x)).collect(), vec![0.75; 24], vec![0.75; 24]]);
    let tensors = [x, parameters(), parameters()];
    for level in Level::available() {
        let [x, gamma, beta]: [Tensor; 3] =
            std::array::from_fn(|i| Tensor::from_slice(&tensors[i], shapes[i], &Device::Cpu).expect("tensor"));
        let y = layer_norm(level, &x, &gamma, &beta).expect("forward");
        for (y, want) in y.flatten_all().expect("flat").to_vec1::<f32>().expect("f32").iter().zip(&want) {
            assert!((f64::from(*y) - want).abs() < 2e-4, "{level}: {y} {want}");
        }
    }
}

#[test]
fn a_single_channel_gives_beta_and_no_gradient_of_x() {
    let x = candle_core::Var::from_slice(&[3.0f32, -2.0], (2, 1), &Device::Cpu).expect("x");
    let one = Tensor::ones(1, DType::F32, &Device::Cpu).expect("one");
    for level in Level::available() {
        let y = layer_norm(level, &x, &one, &one).expect("forward");
        assert_eq!(y.flatten_all().expect("flat").to_vec1::<f32>().expect("f32"), [1.0, 1.0]);
        let store = y.sum_all().and_then(|sum| sum.backward()).expect("backward");
        let dx = store.get(&x).expect("gradient").flatten_all().expect("flat");
        assert_eq!(dx.to_vec1::<f32>().expect("f32"), [0.0, 0.0]);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_both_shapes() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let error = layer_norm(Level::detect(), &zeros(&[2, 3]), &zeros(&[3]), &zeros(&[4])).expect_err("beta").to_string();
    assert!(error.contains("beta") && error.contains("[4]") && error.contains("[3]"), "{error}");
    let error =
        layer_norm(Level::detect(), &zeros(&[2, 0]), &zeros(&[0]), &zeros(&[0])).expect_err("empty").to_string();
    assert!(error.contains("[2, 0]"), "{error}");
}
