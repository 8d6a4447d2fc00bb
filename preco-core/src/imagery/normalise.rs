//! Colours to the numbers a network sees, and back.
//!
//! `x = (v / 255 − mean) / std` per channel; the layout turns from pixel-interleaved to planes.

use serde::{Deserialize, Serialize};

use super::Rgb8;

/// ImageNet's channel means (red, green, blue), of values in `[0, 1]`.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations, of values in `[0, 1]`.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A mean and a standard deviation for each channel, of values in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Red, green, blue.
    pub mean: [f32; 3],
    /// Red, green, blue; larger than zero.
    pub std: [f32; 3],
}

impl Default for Normalise {
    /// ImageNet's.
    fn default() -> Self {
        Self { mean: IMAGENET_MEAN, std: IMAGENET_STD }
    }
}

impl Normalise {
    /// Writes `image` normalised into `out`.
    ///
    /// # Shapes
    /// `out` is `(3, height, width)`.
    ///
    /// # Panics
    /// Where `out` has another length.
    pub fn to_tensor(&self, image: &Rgb8, out: &mut [f32]) {
        let plane = image.width() * image.height();
        assert_eq!(out.len(), 3 * plane, "a {}x{} image fills three planes", image.width(), image.height());
        for channel in 0..3 {
            // 256 divisions instead of one for each pixel, and the same bits everywhere.
            let table: [f32; 256] =
                std::array::from_fn(|value| (value as f32 / 255.0 - self.mean[channel]) / self.std[channel]);
            let pixels = image.data().chunks_exact(3);
            for (out, pixel) in out[channel * plane..][..plane].iter_mut().zip(pixels) {
                *out = table[usize::from(pixel[channel])];
            }
        }
    }

    /// The picture of a normalised tensor: what [`Normalise::to_tensor`] came from, clamped to 0..=255; NaN is black.
    ///
    /// # Shapes
    /// `tensor` is `(3, height, width)`.
    ///
    /// # Panics
    /// Where `tensor` has another length.
    pub fn to_image(&self, tensor: &[f32], width: usize, height: usize) -> Rgb8 {
        let plane = width * height;
        assert_eq!(tensor.len(), 3 * plane, "{width}x{height} pixels need three planes");
        let mut data = vec![0; 3 * plane];
        for channel in 0..3 {
            for (at, &value) in tensor[channel * plane..][..plane].iter().enumerate() {
                data[3 * at + channel] = ((value * self.std[channel] + self.mean[channel]) * 255.0).round() as u8;
            }
        }
        Rgb8::new(width, height, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_their_own_channel() {
        let image = Rgb8::new(2, 1, vec![255, 0, 51, 0, 255, 102]);
        let mut out = [0.0; 6];
        Normalise { mean: [0.5, 0.0, 0.2], std: [0.5, 1.0, 0.1] }.to_tensor(&image, &mut out);
        for (got, want) in out.iter().zip([1.0, -1.0, 0.0, 1.0, 0.0, 2.0]) {
            assert!((got - want).abs() < 1e-6, "{out:?}");
        }
    }

    #[test]
    fn every_value_survives_the_way_there_and_back() {
        let data: Vec<u8> = (0..=255u8).flat_map(|value| [value, 255 - value, value ^ 0x55]).collect();
        let image = Rgb8::new(16, 16, data);
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
