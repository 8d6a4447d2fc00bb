//! A few random changes of colour of one strength, after RandAugment (Cubuk et al. 2020).
//!
//! Only operations that leave geometry alone: turns, flips and scales have transforms of their own, which move masks and
//! boxes along. Strength 10 is the strongest; each is drawn from a normal around `magnitude`.

use preco_core::imagery::Image8;
use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::photometric::{brightness, contrast, saturation};
use crate::error::{Error, Result};

/// The largest magnitude.
const STRONGEST: f64 = 10.0;
/// Operations to choose from: nothing, brightness, contrast, saturation, posterise, solarise, stretch.
const OPERATIONS: usize = 7;

/// How many operations, and how strong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugment {
    /// Operations in a row, drawn with repetition.
    pub operations: usize,
    /// Mean strength, 0 to 10.
    pub magnitude: f64,
    /// Deviation of the strength.
    pub deviation: f64,
}

impl Default for RandAugment {
    /// SimMIM's fine-tuning: two operations, magnitude 9, deviation 0.5.
    fn default() -> Self {
        Self { operations: 2, magnitude: 9.0, deviation: 0.5 }
    }
}

impl RandAugment {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] with the value.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=STRONGEST).contains(&self.magnitude) {
            return Err(Error::config(format!("augment.magnitude is {}; it must lie in 0 to 10", self.magnitude)));
        }
        if self.deviation >= 0.0 && self.deviation.is_finite() {
            return Ok(());
        }
        Err(Error::config(format!("augment.deviation is {}; it must not be negative", self.deviation)))
    }

    /// The picture in other colours.
    ///
    /// # Randomness
    /// `stream`: for each operation which, how strong (a normal, two numbers) and in which direction.
    pub fn apply(&self, image: &Image8, stream: &mut Stream) -> Image8 {
        (0..self.operations).fold(image.clone(), |image, _| {
            let operation = stream.below(OPERATIONS);
            let strength = (self.magnitude + self.deviation * stream.normal()).clamp(0.0, STRONGEST) / STRONGEST;
            let sign = if stream.chance(0.5) { 1.0 } else { -1.0 };
            let factor = (1.0 + 0.9 * sign * strength) as f32;
            match operation {
                0 => image,
                1 => brightness(&image, factor),
                2 => contrast(&image, factor),
                3 => saturation(&image, factor),
                4 => posterise(&image, 8 - (4.0 * strength).round() as u32),
                5 => solarise(&image, (256.0 * (1.0 - strength)).round() as u32),
                _ => stretch(&image),
            }
        })
    }
}

/// Only the highest `bits` of each value.
fn posterise(image: &Image8, bits: u32) -> Image8 {
    let keep = !(0xffu32 >> bits) as u8;
    each(image, |_, value| value & keep)
}

/// Values from `threshold` on inverted.
fn solarise(image: &Image8, threshold: u32) -> Image8 {
    each(image, |_, value| if u32::from(value) >= threshold { 255 - value } else { value })
}

/// Each band stretched so that it reaches from 0 to 255; a band of one value stays.
fn stretch(image: &Image8) -> Image8 {
    let band = |at: usize| image.data().iter().skip(at).step_by(3).copied();
    let ranges = [0, 1, 2].map(|at| (band(at).min().unwrap_or(0), band(at).max().unwrap_or(0)));
    each(image, |band, value| {
        let (low, high) = ranges[band];
        if high == low {
            return value;
        }
        (255.0 * f32::from(value - low) / f32::from(high - low)).round() as u8
    })
}

fn each(image: &Image8, change: impl Fn(usize, u8) -> u8) -> Image8 {
    let data = image.data().iter().enumerate().map(|(at, value)| change(at % 3, *value)).collect();
    Image8::rgb(image.width(), image.height(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_do_what_their_names_say() {
        let image = Image8::rgb(2, 1, vec![0b1011_0111, 50, 9, 100, 150, 9]);
        assert_eq!(posterise(&image, 4).data(), [0b1011_0000, 48, 0, 96, 144, 0]);
        assert_eq!(posterise(&image, 8), image);
        assert_eq!(solarise(&image, 100).data(), [72, 50, 9, 155, 105, 9]);
        assert_eq!(solarise(&image, 256), image);
        assert_eq!(stretch(&image).data(), [255, 0, 9, 0, 255, 9]);
    }

    #[test]
    fn strength_zero_still_stretches_and_nothing_moves() {
        let image = Image8::rgb(8, 8, (0..192).map(|i| (i % 97) as u8).collect());
        let law = RandAugment::default();
        let seen: Vec<Image8> = (0..40).map(|i| law.apply(&image, &mut Stream::new(1, "augment", 0, i))).collect();
        assert!(seen.iter().filter(|other| **other != image).count() > 25);
        // A change of colour maps equal pixels to equal pixels wherever they stand.
        for other in &seen {
            assert!((0..64).all(|at| {
                let twin = (0..64).find(|&t| image.data()[3 * t..3 * t + 3] == image.data()[3 * at..3 * at + 3]);
                let twin = twin.expect("itself at least");
                other.data()[3 * twin..3 * twin + 3] == other.data()[3 * at..3 * at + 3]
            }));
        }
        assert!(RandAugment { magnitude: 11.0, ..law }.check().is_err());
    }
}
