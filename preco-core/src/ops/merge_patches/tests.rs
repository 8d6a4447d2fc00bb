//! Against Swin's slices `x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]`.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;

#[test]
fn merging_and_its_gradient_equal_swins_slices() {
    for [count, height, width, channels] in [[1, 3, 5, 1], [2, 4, 4, 7], [2, 7, 2, 3], [1, 1, 1, 12]] {
        let proof = Proof::new(1, &[&[count, height, width, channels]], |x| {
            let mut y = Vec::new();
            for (image, row) in (0..count).flat_map(|image| (0..height).step_by(2).map(move |row| (image, row))) {
                for column in (0..width).step_by(2) {
                    for (dy, dx) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                        let (row, column) = (row + dy, column + dx);
                        let inside = row < height && column < width;
                        let from = ((image * height + row) * width + column) * channels;
                        y.extend((0..channels).map(|channel| if inside { x[0][from + channel] } else { 0.0 }));
                    }
                }
            }
            y
        });
        proof.holds(&format!("{count}x{height}x{width}x{channels}"), 1e-7, |x| merge_patches(&x[0]));
    }
}

#[test]
fn what_is_no_grid_is_refused() {
    let x = Tensor::zeros((2, 3, 4), DType::F32, &Device::Cpu).expect("zeros");
    assert!(merge_patches(&x).expect_err("rank").to_string().contains("[2, 3, 4]"));
}
