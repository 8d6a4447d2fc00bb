//! An image as evaluation sees it: the largest centred part of the input's shape, resized. No randomness.

use crate::error::Result;
use crate::imagery::{Image8, resize_box};
use crate::spec::Preprocess;

/// The view of `image`.
///
/// # Errors
/// Where it cannot be resized.
pub fn view(image: &Image8, preprocess: &Preprocess) -> Result<Image8> {
    let [height, width] = preprocess.size.map(|side| side as f32);
    let (have_width, have_height) = (image.width() as f32, image.height() as f32);
    let scale = (have_width / width).min(have_height / height);
    let (crop_width, crop_height) = ((width * scale).min(have_width), (height * scale).min(have_height));
    let (left, top) = ((have_width - crop_width) / 2.0, (have_height - crop_height) / 2.0);
    let xyxy = [left, top, left + crop_width, top + crop_height];
    resize_box(image, xyxy, preprocess.size, preprocess.interpolation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_wide_image_is_seen() {
        let mut image = Image8::filled(12, 4, [9, 9, 9]);
        for (x, y) in (4..8).flat_map(|x| (0..4).map(move |y| (x, y))) {
            image.set(x, y, [200, 100, 50]);
        }
        let seen = view(&image, &Preprocess::imagenet([4, 4])).expect("view");
        assert_eq!(seen, Image8::filled(4, 4, [200, 100, 50]));
    }
}
