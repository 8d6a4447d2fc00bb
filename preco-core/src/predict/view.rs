//! An image as evaluation sees it: the largest centred part of the input's shape, resized. No randomness.

use crate::error::Result;
use crate::imagery::raster::Window;
use crate::imagery::{Image8, resize_box};
use crate::spec::Preprocess;

/// The view of `image`.
///
/// # Errors
/// Where it cannot be resized.
pub fn view(image: &Image8, preprocess: &Preprocess) -> Result<Image8> {
    let xyxy = centred(image.width(), image.height(), preprocess.size);
    resize_box(image, xyxy, preprocess.size, preprocess.interpolation)
}

/// The pixels of an image of `width` by `height` that its view shows, some of them in part. `size` is height, width.
pub fn seen(width: usize, height: usize, size: [usize; 2]) -> Window {
    let [left, top, right, bottom] = centred(width, height, size);
    let (x, y) = (left.floor() as usize, top.floor() as usize);
    let (right, bottom) = ((right.ceil() as usize).min(width), (bottom.ceil() as usize).min(height));
    Window::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y))
}

/// Left, top, right and bottom of the largest centred part of the shape `size`.
fn centred(width: usize, height: usize, size: [usize; 2]) -> [f32; 4] {
    let [size_height, size_width] = size.map(|side| side as f32);
    let (width, height) = (width as f32, height as f32);
    let scale = (width / size_width).min(height / size_height);
    let (crop_width, crop_height) = ((size_width * scale).min(width), (size_height * scale).min(height));
    let (left, top) = ((width - crop_width) / 2.0, (height - crop_height) / 2.0);
    [left, top, left + crop_width, top + crop_height]
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

    #[test]
    fn the_pixels_that_are_seen_are_those_of_the_view() {
        assert_eq!(seen(12, 4, [4, 4]), Window::new(4, 0, 4, 4));
        // Half a pixel is cut from either side.
        assert_eq!(seen(11, 4, [4, 4]), Window::new(3, 0, 5, 4));
        assert_eq!(seen(64, 64, [192, 192]), Window::new(0, 0, 64, 64));
    }
}
