//! Random erasing (Zhong et al. 2020): a rectangle that says nothing.

use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::crop::RandomResizedCrop;
use crate::error::{Error, Result};
use crate::sample::{IGNORE, Sample};

/// The law of the rectangle. Its pixels become noise, its mask [`IGNORE`]; boxes and instances stay, for an object that
/// is partly hidden is still there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Erasing {
    /// How often.
    pub probability: f64,
    /// Smallest and largest part of the area.
    pub scale: [f64; 2],
    /// Smallest and largest width / height.
    pub ratio: [f64; 2],
}

impl Default for Erasing {
    /// SimMIM's probability in fine-tuning; the paper's rectangles.
    fn default() -> Self {
        Self { probability: 0.25, scale: [0.02, 1.0 / 3.0], ratio: [0.3, 1.0 / 0.3] }
    }
}

impl Erasing {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] with the value.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(Error::config(format!("augment.probability is {}; it must lie in 0 to 1", self.probability)));
        }
        RandomResizedCrop { scale: self.scale, ratio: self.ratio }.check()
    }

    /// Erases, or leaves the sample as it is where no rectangle drawn fits.
    ///
    /// # Randomness
    /// `stream`: the coin, the rectangle as [`RandomResizedCrop::attempt`] draws it, then each byte.
    pub fn apply(&self, sample: &mut Sample, stream: &mut Stream) {
        if !stream.chance(self.probability) {
            return;
        }
        let law = RandomResizedCrop { scale: self.scale, ratio: self.ratio };
        let Some(hole) = law.attempt(sample.image.width(), sample.image.height(), stream) else { return };
        for y in hole.top..hole.top + hole.height {
            for x in hole.left..hole.left + hole.width {
                sample.image.pixel_mut(x, y).fill_with(|| stream.below(256) as u8);
                if let Some(mask) = &mut sample.mask {
                    mask.data[y * mask.width + x] = IGNORE;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::tests::painted;
    use super::*;

    #[test]
    fn what_is_erased_is_ignored_and_nothing_else_changes() {
        let sample = painted(3);
        let mut erased = sample.clone();
        let always = Erasing { probability: 1.0, ..Erasing::default() };
        always.apply(&mut erased, &mut Stream::new(1, "augment", 0, 0));
        let (before, after) = (sample.mask.as_ref().expect("mask"), erased.mask.as_ref().expect("mask"));
        let mut holes = 0;
        for y in 0..before.height {
            for x in 0..before.width {
                if after.get(x, y) == IGNORE {
                    holes += 1;
                } else {
                    assert_eq!((after.get(x, y), erased.image.get(x, y)), (before.get(x, y), sample.image.get(x, y)));
                }
            }
        }
        let share = f64::from(holes) / before.data.len() as f64;
        assert!((0.015..0.35).contains(&share), "{share}");
        assert_eq!((&erased.boxes, &erased.instances), (&sample.boxes, &sample.instances));
        let mut never = sample.clone();
        Erasing { probability: 0.0, ..always }.apply(&mut never, &mut Stream::new(1, "augment", 0, 0));
        assert_eq!(never, sample);
        // Too long for the image whatever is drawn: then nothing, and not the most that fits, as for a crop.
        let unfit = Erasing { scale: [0.5, 0.9], ratio: [30.0, 60.0], ..always };
        unfit.apply(&mut never, &mut Stream::new(1, "augment", 0, 0));
        assert_eq!(never, sample);
    }
}
