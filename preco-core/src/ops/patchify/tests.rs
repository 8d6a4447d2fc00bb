//! Against the index formula, with edges that patches reach over.

use candle_core::{DType, Device};

use super::*;
use crate::ops::proof::Proof;

/// Calls `visit(pixel, feature)` for every pixel of every image.
fn pairs(geometry: &PatchGeometry, count: usize, mut visit: impl FnMut(usize, usize)) {
    let PatchGeometry { channels, size: [height, width], patch } = *geometry;
    let [rows, columns] = geometry.grid();
    for at in 0..count * geometry.pixels() {
        let (x, y) = (at % width, at / width % height);
        let (channel, image) = (at / width / height % channels, at / width / height / channels);
        let token = (image * rows + y / patch) * columns + x / patch;
        visit(at, token * geometry.features() + (channel * patch + y % patch) * patch + x % patch);
    }
}

#[test]
fn patches_and_their_gradients_equal_the_index_formula() {
    for (count, channels, size, patch) in [(1, 1, [3, 5], 2), (2, 3, [7, 4], 3), (2, 2, [8, 8], 4), (1, 7, [2, 3], 5)] {
        let geometry = PatchGeometry { channels, size, patch };
        let image = [count, channels, size[0], size[1]];
        let rows = [count, geometry.tokens(), geometry.features()];
        let cut = Proof::new(1, &[&image], |x| {
            let mut y = vec![0.0; rows.iter().product()];
            pairs(&geometry, count, |pixel, feature| y[feature] = x[0][pixel]);
            y
        });
        cut.holds(&format!("{geometry:?}"), 1e-7, |x| patchify(&x[0], patch));
        let joined = Proof::new(2, &[&rows], |x| {
            let mut y = vec![0.0; image.iter().product()];
            pairs(&geometry, count, |pixel, feature| y[pixel] = x[0][feature]);
            y
        });
        joined.holds(&format!("{geometry:?} back"), 1e-7, |x| unpatchify(&x[0], &geometry));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = Tensor::zeros((2, 3, 4), DType::F32, &Device::Cpu).expect("zeros");
    assert!(patchify(&x, 2).expect_err("rank").to_string().contains("[2, 3, 4]"));
    let image = x.unsqueeze(0).expect("rank 4");
    assert!(patchify(&image, 0).expect_err("patch").to_string().contains("not 0"));
    let geometry = PatchGeometry { channels: 1, size: [4, 4], patch: 2 };
    assert!(unpatchify(&x, &geometry).expect_err("rows").to_string().contains("[2, 4, 4]"));
}
