//! Colours to the numbers a network sees, and back.
//!
//! `x = (v / 255 − mean) / std` per channel; the layout turns from pixel-interleaved to planes.

use serde::{Deserialize, Serialize};

use super::Image8;

/// ImageNet's channel means (red, green, blue), of values in `[0, 1]`.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations, of values in `[0, 1]`.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A mean and a standard deviation for each band, of values in `[0, 1]`: as many of the one as of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Red, green, blue; or whatever the bands are.
    pub mean: Vec<f32>,
    /// Likewise; larger than zero.
    pub std: Vec<f32>,
}

impl Default for Normalise {
    /// ImageNet's.
    fn default() -> Self {
        Self { mean: IMAGENET_MEAN.to_vec(), std: IMAGENET_STD.to_vec() }
    }
}

impl Normalise {
    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.mean.len()
    }

    /// The bytes of the mean: what stands where nothing is known.
    pub fn fill(&self) -> Vec<u8> {
        self.mean.iter().map(|mean| (255.0 * mean).round() as u8).collect()
    }

    /// Writes `image` normalised into `out`.
    ///
    /// # Shapes
    /// `out` is `(bands, height, width)`.
    ///
    /// # Panics
    /// Where `out` has another length, or `image` other bands.
    pub fn to_tensor(&self, image: &Image8, out: &mut [f32]) {
        let plane = image.width() * image.height();
        let bands = self.bands();
        assert_eq!(image.bands(), bands, "an image of the bands it is normalised by");
        assert_eq!(
            out.len(),
            bands * plane,
            "a {}x{} image fills a plane for each band",
            image.width(),
            image.height()
        );
        for channel in 0..bands {
            // 256 divisions instead of one for each pixel, and the same bits everywhere.
            let table: [f32; 256] =
                std::array::from_fn(|value| (value as f32 / 255.0 - self.mean[channel]) / self.std[channel]);
            let pixels = image.data().chunks_exact(bands);
            for (out, pixel) in out[channel * plane..][..plane].iter_mut().zip(pixels) {
                *out = table[usize::from(pixel[channel])];
            }
        }
    }

    /// The picture of a normalised tensor: what [`Normalise::to_tensor`] came from, clamped to 0..=255; NaN is black.
    ///
    /// # Shapes
    /// `tensor` is `(bands, height, width)`.
    ///
    /// # Panics
    /// Where `tensor` has another length.
    pub fn to_image(&self, tensor: &[f32], width: usize, height: usize) -> Image8 {
        let plane = width * height;
        let bands = self.bands();
        assert_eq!(tensor.len(), bands * plane, "{width}x{height} pixels need a plane for each band");
        let mut data = vec![0; bands * plane];
        for channel in 0..bands {
            for (at, &value) in tensor[channel * plane..][..plane].iter().enumerate() {
                data[bands * at + channel] = ((value * self.std[channel] + self.mean[channel]) * 255.0).round() as u8;
            }
        }
        Image8::new(width, height, bands, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_their_own_channel() {
        let image = Image8::rgb(2, 1, vec![255, 0, 51, 0, 255, 102]);
        let mut out = [0.0; 6];
        Normalise { mean: vec![0.5, 0.0, 0.2], std: vec![0.5, 1.0, 0.1] }.to_tensor(&image, &mut out);
        for (got, want) in out.iter().zip([1.0, -1.0, 0.0, 1.0, 0.0, 2.0]) {
            assert!((got - want).abs() < 1e-6, "{out:?}");
        }
    }

    #[test]
    fn every_value_survives_the_way_there_and_back() {
        let data: Vec<u8> = (0..=255u8).flat_map(|value| [value, 255 - value, value ^ 0x55]).collect();
        let image = Image8::rgb(16, 16, data);
        let mut tensor = vec![0.0; 3 * 256];
        let normalise = Normalise::default();
        normalise.to_tensor(&image, &mut tensor);
        assert_eq!(normalise.to_image(&tensor, 16, 16), image);
    }

    #[test]
    fn values_outside_the_range_are_clamped() {
        let tensor = [f32::NAN, 99.0, -99.0];
        assert_eq!(Normalise::default().to_image(&tensor, 1, 1).get(0, 0), [0, 255, 0]);
    }
}
