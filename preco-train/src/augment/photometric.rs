//! Changes of colour that leave geometry alone, as torchvision's and Pillow's.

use preco_core::imagery::Image8;
use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Random brightness, contrast, saturation and hue, in a random order (torchvision's `ColorJitter`).
///
/// Factors are uniform in `1 ± value`, at least 0; hue moves by up to `± hue` turns of the colour circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Photometric {
    /// Factor on every value.
    pub brightness: f64,
    /// Factor on the distance from the picture's mean grey.
    pub contrast: f64,
    /// Factor on the distance from each pixel's own grey.
    pub saturation: f64,
    /// Largest turn, at most a half.
    pub hue: f64,
}

impl Photometric {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] with the value.
    pub fn check(&self) -> Result<()> {
        let strengths = [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)];
        for (name, value) in strengths {
            if !(0.0..=10.0).contains(&value) {
                return Err(Error::config(format!("augment.{name} is {value}; it must lie in 0 to 10")));
            }
        }
        if (0.0..=0.5).contains(&self.hue) {
            return Ok(());
        }
        Err(Error::config(format!("augment.hue is {}; it must lie in 0 to 0.5 turns", self.hue)))
    }

    /// The picture in other colours.
    ///
    /// # Randomness
    /// `stream`: the order, then one number for each change.
    pub fn apply(&self, image: &Image8, stream: &mut Stream) -> Image8 {
        let mut order = [0, 1, 2, 3];
        stream.shuffle(&mut order);
        let mut factor = |strength: f64| stream.between((1.0 - strength).max(0.0), 1.0 + strength) as f32;
        let factors = [factor(self.brightness), factor(self.contrast), factor(self.saturation)];
        let turns = stream.between(-self.hue, self.hue) as f32;
        order.into_iter().fold(image.clone(), |image, change| match change {
            0 => brightness(&image, factors[0]),
            1 => contrast(&image, factors[1]),
            2 => saturation(&image, factors[2]),
            _ => hue(&image, turns),
        })
    }
}

/// Every value times `factor`.
pub(super) fn brightness(image: &Image8, factor: f32) -> Image8 {
    each(image, |pixel| pixel.map(|value| byte(factor * f32::from(value))))
}

/// Values at `factor` times their distance from the mean grey.
pub(super) fn contrast(image: &Image8, factor: f32) -> Image8 {
    let pixels = image.data().chunks_exact(3);
    let sum: f64 = pixels.map(|pixel| f64::from(grey([pixel[0], pixel[1], pixel[2]]).round())).sum();
    let mean = (sum / (image.data().len() / 3).max(1) as f64).round() as f32;
    each(image, |pixel| pixel.map(|value| byte(mean + factor * (f32::from(value) - mean))))
}

/// Values at `factor` times their distance from the pixel's grey.
pub(super) fn saturation(image: &Image8, factor: f32) -> Image8 {
    each(image, |pixel| {
        let own = grey(pixel).round();
        pixel.map(|value| byte(own + factor * (f32::from(value) - own)))
    })
}

/// Colours turned by `turns` of the colour circle, at the same saturation and value (HSV).
fn hue(image: &Image8, turns: f32) -> Image8 {
    if turns == 0.0 {
        return image.clone();
    }
    each(image, |pixel| {
        let [r, g, b] = pixel.map(f32::from);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = most - least;
        if chroma == 0.0 {
            return pixel;
        }
        let sixth = if most == r {
            (g - b) / chroma
        } else if most == g {
            2.0 + (b - r) / chroma
        } else {
            4.0 + (r - g) / chroma
        };
        let sixth = (sixth + 6.0 * turns).rem_euclid(6.0);
        // One formula for the three channels: how far each lies from the hue.
        [5.0f32, 3.0, 1.0].map(|n| {
            let k = (n + sixth) % 6.0;
            byte(most - chroma * k.min(4.0 - k).clamp(0.0, 1.0))
        })
    })
}

/// ITU-R BT.601 luma, as Pillow's.
fn grey([r, g, b]: [u8; 3]) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn each(image: &Image8, change: impl Fn([u8; 3]) -> [u8; 3]) -> Image8 {
    let data = image.data().chunks_exact(3).flat_map(|pixel| change([pixel[0], pixel[1], pixel[2]])).collect();
    Image8::rgb(image.width(), image.height(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(pixel: [u8; 3]) -> Image8 {
        Image8::filled(1, 1, pixel)
    }

    #[test]
    fn each_change_does_what_its_formula_says() {
        assert_eq!(brightness(&one([100, 200, 7]), 1.5), one([150, 255, 11]));
        // Grey of (10, 10, 10) and (110, 110, 110) is 60 in the mean: at half the contrast 35 and 85.
        let two = Image8::rgb(2, 1, vec![10, 10, 10, 110, 110, 110]);
        assert_eq!(contrast(&two, 0.5).data(), [35, 35, 35, 85, 85, 85]);
        // Grey of (200, 100, 0): 59.8 + 58.7 = 118.5, 119 after rounding half away.
        assert_eq!(saturation(&one([200, 100, 0]), 0.0), one([119; 3]));
        assert_eq!(saturation(&one([200, 100, 0]), 1.0), one([200, 100, 0]));
    }

    #[test]
    fn a_third_of_a_turn_permutes_the_primaries() {
        assert_eq!(hue(&one([255, 0, 0]), 1.0 / 3.0), one([0, 255, 0]));
        assert_eq!(hue(&one([0, 255, 0]), 1.0 / 3.0), one([0, 0, 255]));
        assert_eq!(hue(&one([200, 100, 50]), 1.0 / 3.0), one([50, 200, 100]));
        assert_eq!(hue(&one([90; 3]), 0.2), one([90; 3]));
        assert_eq!(hue(&one([30, 60, 90]), 0.5), one([90, 60, 30]));
    }

    #[test]
    fn strength_zero_changes_nothing_and_strengths_change_something() {
        let image = Image8::rgb(4, 4, (0..48).map(|i| (i * 5) as u8).collect());
        assert_eq!(Photometric::default().apply(&image, &mut Stream::new(1, "augment", 0, 0)), image);
        let strong = Photometric { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };
        let seen = |index| strong.apply(&image, &mut Stream::new(1, "augment", 0, index));
        assert!(seen(1) != image && seen(1) != seen(2) && seen(1) == seen(1));
        assert!(Photometric { hue: 0.6, ..strong }.check().expect_err("hue").to_string().contains("hue is 0.6"));
    }
}
