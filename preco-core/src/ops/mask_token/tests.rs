//! Against the formula, with masks of 0, 1 and between.

use candle_core::{DType, Device, Var};

use super::*;
use crate::ops::proof::Proof;
use crate::rng::Stream;

#[test]
fn mixing_and_its_gradients_equal_the_formula() {
    for (leading, channels) in [(&[3][..], 1), (&[2, 5], 7), (&[2, 3, 2], 12), (&[70], 3)] {
        let rows: usize = leading.iter().product();
        let mut stream = Stream::new(6, "mask", rows as u64, 0);
        let mask: Vec<f32> = (0..rows).map(|_| [0.0, 1.0, 0.375][stream.below(3)]).collect();
        let shape = [leading, &[channels]].concat();
        let proof = Proof::new(1, &[&shape, &[channels]], |x| {
            let m = |at: usize| f64::from(mask[at / channels]);
            x[0].iter().enumerate().map(|(at, v)| (1.0 - m(at)) * v + m(at) * x[1][at % channels]).collect()
        });
        let mask = Tensor::from_slice(&mask, leading, &Device::Cpu).expect("mask");
        proof.holds(&format!("{shape:?}"), 1e-6, |x| mix(&x[0], &mask, &x[1]));
    }
}

#[test]
fn what_a_mask_hides_leaves_no_trace() {
    let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0, 2.0], (2, 2), &Device::Cpu).expect("x");
    let mask = Tensor::from_slice(&[1.0f32, 0.0], 2, &Device::Cpu).expect("mask");
    let token = Tensor::from_slice(&[5.0f32, 6.0], 2, &Device::Cpu).expect("token");
    let y = mix(&x, &mask, &token).and_then(|y| Ok(y.to_vec2::<f32>()?)).expect("mix");
    assert_eq!(y, [[5.0, 6.0], [1.0, 2.0]]);
}

#[test]
fn a_mask_of_another_shape_or_with_a_gradient_is_refused() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let error = mix(&zeros(&[2, 3, 4]), &zeros(&[6]), &zeros(&[4])).expect_err("shape").to_string();
    assert!(error.contains("[6]") && error.contains("[2, 3]"), "{error}");
    let mask = Var::from_tensor(&zeros(&[2])).expect("variable");
    let error = mix(&zeros(&[2, 4]), &mask, &zeros(&[4])).expect_err("gradient").to_string();
    assert!(error.contains("detach"), "{error}");
}
