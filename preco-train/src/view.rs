//! An image as evaluation sees it: the largest centred part of the input's shape, resized. No randomness.

use preco_core::imagery::{Rgb8, resize_box};
use preco_core::spec::Preprocess;

use crate::datasets::ImageSource;
use crate::error::Result;

/// The view of `image`.
///
/// # Errors
/// Where the core cannot resize it.
pub fn view(image: &Rgb8, preprocess: &Preprocess) -> Result<Rgb8> {
    let [height, width] = preprocess.size.map(|side| side as f32);
    let (have_width, have_height) = (image.width() as f32, image.height() as f32);
    let scale = (have_width / width).min(have_height / height);
    let (crop_width, crop_height) = ((width * scale).min(have_width), (height * scale).min(have_height));
    let (left, top) = ((have_width - crop_width) / 2.0, (have_height - crop_height) / 2.0);
    let xyxy = [left, top, left + crop_width, top + crop_height];
    Ok(resize_box(image, xyxy, preprocess.size, preprocess.interpolation)?)
}

/// The views of images `indices` as one normalised buffer.
///
/// # Shapes
/// `(N, 3, height, width)`.
///
/// # Errors
/// Where an image cannot be read or resized.
pub fn tensor(source: &dyn ImageSource, indices: &[usize], preprocess: &Preprocess) -> Result<Vec<f32>> {
    let length = 3 * preprocess.size[0] * preprocess.size[1];
    let mut images = vec![0.0; length * indices.len()];
    for (&index, out) in indices.iter().zip(images.chunks_exact_mut(length)) {
        preprocess.normalise.to_tensor(&view(&source.image(index)?, preprocess)?, out);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_wide_image_is_seen() {
        let mut image = Rgb8::filled(12, 4, [9, 9, 9]);
        for (x, y) in (4..8).flat_map(|x| (0..4).map(move |y| (x, y))) {
            image.set(x, y, [200, 100, 50]);
        }
        let seen = view(&image, &Preprocess::imagenet([4, 4])).expect("view");
        assert_eq!(seen, Rgb8::filled(4, 4, [200, 100, 50]));
    }
}
