//! The transform of masked-image pre-training (SimMIM): a random part, resized, and a coin's flip. No colour changes.

use preco_core::imagery::{Filter, MAX_PIXELS, Rgb8, crop, resize};
use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::{RandomResizedCrop, flip_horizontal};
use crate::error::{Error, Result};

/// SimMIM's transform before normalisation.
///
/// The part is cut first and then resized, so the filter sees nothing around it; the filter is torchvision's default,
/// bilinear with antialiasing. An image of any size will do: a small one is enlarged, down to a single pixel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// Height and width of the result, in pixels.
    pub size: [usize; 2],
    /// Smallest and largest part of the area.
    pub scale: [f64; 2],
    /// Smallest and largest width / height of the part.
    pub ratio: [f64; 2],
}

impl Pretraining {
    /// SimMIM's numbers for results of `size`, which is `[height, width]`.
    pub fn new(size: [usize; 2]) -> Self {
        Self { size, scale: [0.67, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }

    /// Checks the numbers, which may come from a file.
    ///
    /// # Errors
    /// [`Error::Config`] for a size of zero, a scale outside `0 < low <= high <= 1` or a ratio outside `0 < low <= high`.
    pub fn check(&self) -> Result<()> {
        if self.size.contains(&0) || self.size[0].saturating_mul(self.size[1]) > MAX_PIXELS {
            return Err(Error::config(format!(
                "augment.size is {:?}; height and width start at 1 and make at most {MAX_PIXELS} pixels",
                self.size
            )));
        }
        RandomResizedCrop { scale: self.scale, ratio: self.ratio }.check()
    }

    /// A random view of `image`.
    ///
    /// # Randomness
    /// `stream`: the box, then the coin.
    ///
    /// # Errors
    /// [`Error::Core`] for an image without pixels or a size of zero.
    pub fn apply(&self, image: &Rgb8, stream: &mut Stream) -> Result<Rgb8> {
        let law = RandomResizedCrop { scale: self.scale, ratio: self.ratio };
        let part = law.draw(image.width(), image.height(), stream);
        let part = crop(image, part.left, part.top, part.width, part.height)?;
        let view = resize(&part, self.size, Filter::Bilinear)?;
        Ok(if stream.chance(0.5) { flip_horizontal(&view) } else { view })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Rgb8 {
        let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Rgb8::new(width, height, data)
    }

    #[test]
    fn half_the_views_are_flipped_and_none_upside_down() {
        let transform = Pretraining::new([16, 24]);
        let image = ramp(200, 200);
        let mut flipped = 0;
        for index in 0..400 {
            let view = transform.apply(&image, &mut Stream::new(1, "augment", 0, index)).expect("view");
            assert_eq!((view.width(), view.height()), (24, 16));
            assert!(view.get(0, 0)[1] < view.get(0, 15)[1]);
            flipped += usize::from(view.get(0, 0)[0] > view.get(23, 0)[0]);
        }
        // 200, deviation 10.
        assert!((160..240).contains(&flipped), "{flipped}");
    }

    #[test]
    fn one_stream_gives_one_view() {
        let transform = Pretraining::new([32, 32]);
        let image = ramp(64, 48);
        let view = |index| transform.apply(&image, &mut Stream::new(1, "augment", 5, index)).expect("view");
        assert_eq!(view(2), view(2));
        assert_ne!(view(2), view(3));
    }

    #[test]
    fn one_pixel_is_enlarged() {
        let view = Pretraining::new([8, 8]).apply(&Rgb8::filled(1, 1, [1, 2, 3]), &mut Stream::new(1, "augment", 0, 0));
        assert_eq!(view.expect("view"), Rgb8::filled(8, 8, [1, 2, 3]));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = Pretraining::new([8, 8]);
        good.check().expect("SimMIM's numbers");
        for (bad, name) in [
            (Pretraining { size: [0, 8], ..good }, "augment.size"),
            (Pretraining { size: [usize::MAX, 8], ..good }, "augment.size"),
            (Pretraining { scale: [0.9, 0.5], ..good }, "augment.scale"),
            (Pretraining { scale: [0.5, 1.5], ..good }, "augment.scale"),
            (Pretraining { ratio: [0.0, 1.0], ..good }, "augment.ratio"),
            (Pretraining { ratio: [f64::NAN, 1.0], ..good }, "augment.ratio"),
        ] {
            assert!(bad.check().expect_err(name).to_string().contains(name));
        }
        assert!(good.apply(&Rgb8::new(0, 0, vec![]), &mut Stream::new(1, "augment", 0, 0)).is_err());
    }
}
