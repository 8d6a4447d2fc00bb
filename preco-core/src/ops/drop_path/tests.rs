//! Against the product, with dropped, kept and unscaled images.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;

#[test]
fn each_image_and_its_gradient_are_scaled_by_its_factor() {
    for shape in [&[3][..], &[3, 7], &[3, 2, 5]] {
        let scales = [0.0, 1.25, 1.0f32];
        let proof = Proof::new(1, &[shape], |x| {
            let group = x[0].len() / 3;
            x[0].iter().enumerate().map(|(at, x)| f64::from(scales[at / group]) * x).collect()
        });
        proof.holds(&format!("{shape:?}"), 1e-7, |x| drop_path(&x[0], &scales));
    }
}

#[test]
fn a_factor_for_each_image_is_required() {
    let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).expect("zeros");
    let error = drop_path(&x, &[1.0; 3]).expect_err("three factors").to_string();
    assert!(error.contains("[2, 3]") && error.contains("3 scales"), "{error}");
}
