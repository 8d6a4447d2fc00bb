//! Cutting images into patches on the CPU: runs of one patch row at a time.

use super::PatchGeometry;
use crate::backend::cpu::parallel::{self, Shared};

/// `(images, C, H, W)` to rows of patches.
pub(crate) fn patchify(geometry: &PatchGeometry, images: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() >= images * geometry.pixels(), "there are fewer pixels than {images} images have");
    let features = geometry.features();
    assert!(to.len() >= images * geometry.tokens() * features, "there is no room for every patch");
    let to = Shared::new(to);
    each_run(geometry, images, |pixel, feature, len, pad| {
        // SAFETY: runs lie in both buffers (asserted above) and no two tasks share a patch.
        unsafe {
            let to = to.pointer().add(feature);
            std::ptr::copy_nonoverlapping(from.as_ptr().add(pixel), to, len);
            to.add(len).write_bytes(0, pad);
        }
    });
}

/// Rows of patches to `(images, C, H, W)`.
pub(crate) fn unpatchify(geometry: &PatchGeometry, images: usize, from: &[f32], to: &mut [f32]) {
    assert!(to.len() >= images * geometry.pixels(), "there is no room for {images} images");
    assert!(from.len() >= images * geometry.tokens() * geometry.features(), "there are fewer patches than that");
    let to = Shared::new(to);
    each_run(geometry, images, |pixel, feature, len, _| {
        // SAFETY: as above; no two runs share a pixel.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr().add(feature), to.pointer().add(pixel), len) }
    });
}

/// Calls `run(pixel, feature, len, pad)` for each row of each patch: `len` values at both indices, then `pad` features
/// that lie beyond the image. Rows of patches below the image are runs of length 0.
fn each_run(geometry: &PatchGeometry, images: usize, run: impl Fn(usize, usize, usize, usize) + Sync + Send) {
    let PatchGeometry { channels, size: [height, width], patch } = *geometry;
    let [rows, columns] = geometry.grid();
    let features = geometry.features();
    parallel::for_each(images * rows, |band| {
        let (image, row) = (band / rows, band % rows);
        for column in 0..columns {
            let token = (image * rows + row) * columns + column;
            let len = patch.min(width - column * patch);
            for channel in 0..channels {
                for y in 0..patch {
                    let feature = token * features + (channel * patch + y) * patch;
                    let line = row * patch + y;
                    let pixel = ((image * channels + channel) * height + line) * width + column * patch;
                    if line < height { run(pixel, feature, len, patch - len) } else { run(0, feature, 0, patch) }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_in_the_order_channel_row_column_and_edges_read_zero() {
        let geometry = PatchGeometry { channels: 2, size: [3, 5], patch: 2 };
        let image: Vec<f32> = (1..=30u8).map(f32::from).collect();
        let mut rows = vec![-1.0; geometry.tokens() * geometry.features()];
        patchify(&geometry, 1, &image, &mut rows);
        assert_eq!(rows[..8], [1.0, 2.0, 6.0, 7.0, 16.0, 17.0, 21.0, 22.0]);
        assert_eq!(rows[16..24], [5.0, 0.0, 10.0, 0.0, 20.0, 0.0, 25.0, 0.0]);
        assert_eq!(rows[40..48], [15.0, 0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0]);
        let mut back = vec![-1.0; 30];
        unpatchify(&geometry, 1, &rows, &mut back);
        assert_eq!(back, image);
    }
}
