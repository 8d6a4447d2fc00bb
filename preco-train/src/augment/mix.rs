//! Mixing images of a batch: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).
//!
//! Image i is mixed with image n − 1 − i, all with one share λ from Beta(α, α): timm's batch mode. Labels become shares.

use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a batch is mixed. Where both are on, a coin decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// α of mixup; 0 for none.
    pub mixup: f64,
    /// α of CutMix; 0 for none.
    pub cutmix: f64,
}

impl Mix {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] with the value.
    pub fn check(&self) -> Result<()> {
        for (name, alpha) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            if !(alpha >= 0.0 && alpha.is_finite()) {
                return Err(Error::config(format!("augment.{name} is {alpha}; it must be finite and not negative")));
            }
        }
        Ok(())
    }

    /// Mixes a batch in place; returns λ, the share of itself that each image keeps.
    ///
    /// # Shapes
    /// images `(n, bands, height, width)`; a label of equal length for each image.
    ///
    /// # Randomness
    /// `stream`: the coin where both are on, λ, and for CutMix the centre of the rectangle.
    ///
    /// # Panics
    /// Where images are not as many as labels, or labels differ in length.
    pub fn apply(
        &self,
        images: &mut [f32],
        [height, width]: [usize; 2],
        mut labels: Vec<&mut Vec<f32>>,
        stream: &mut Stream,
    ) -> f64 {
        let n = labels.len();
        let len = images.len() / n.max(1);
        assert!(
            images.len() == n * len && len.is_multiple_of(height * width),
            "{n} labels for {} values",
            images.len()
        );
        let cuts = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return 1.0,
            (true, true) => stream.chance(0.5),
            (_, cuts) => cuts,
        };
        let drawn = beta(if cuts { self.cutmix } else { self.mixup }, stream);
        let hole = cuts.then(|| Hole::draw(drawn, height, width, stream));
        // The rectangle may reach beyond the image: its share is what lies inside.
        let share = hole.as_ref().map_or(drawn, |hole| 1.0 - hole.area() as f64 / (height * width) as f64);
        for i in 0..n / 2 {
            let (front, back) = images.split_at_mut((n - 1 - i) * len);
            let (one, other) = (&mut front[i * len..(i + 1) * len], &mut back[..len]);
            match &hole {
                Some(hole) => hole.swap(one, other, height, width),
                None => blend(one, other, share as f32),
            }
            let (front, back) = labels.split_at_mut(n - 1 - i);
            assert_eq!(front[i].len(), back[0].len(), "labels differ in length");
            blend(front[i], back[0], share as f32);
        }
        share
    }
}

/// Both become `share` of themselves and the rest of the other.
fn blend(one: &mut [f32], other: &mut [f32], share: f32) {
    for (a, b) in one.iter_mut().zip(other) {
        (*a, *b) = (share * *a + (1.0 - share) * *b, share * *b + (1.0 - share) * *a);
    }
}

/// Rows and columns that change places.
struct Hole {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Hole {
    /// A rectangle of the image's shape and `1 − λ` of its area around a random pixel, clipped.
    fn draw(lambda: f64, height: usize, width: usize, stream: &mut Stream) -> Self {
        let side = (1.0 - lambda).sqrt();
        let mut around = |length: usize| {
            let (half, centre) = ((side * length as f64) as usize / 2, stream.below(length));
            centre.saturating_sub(half)..(centre + half).min(length)
        };
        Self { rows: around(height), columns: around(width) }
    }

    fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    fn swap(&self, one: &mut [f32], other: &mut [f32], height: usize, width: usize) {
        for band in 0..one.len() / (height * width) {
            for row in self.rows.clone() {
                let start = (band * height + row) * width;
                let range = start + self.columns.start..start + self.columns.end;
                one[range.clone()].swap_with_slice(&mut other[range]);
            }
        }
    }
}

/// A number from Beta(α, α), as X / (X + Y) of two Gamma(α).
fn beta(alpha: f64, stream: &mut Stream) -> f64 {
    let (x, y) = (gamma(alpha, stream), gamma(alpha, stream));
    if x + y > 0.0 { x / (x + y) } else { 0.5 }
}

/// A number from Gamma(α, 1) (Marsaglia and Tsang 2000; below 1 by the power of a uniform number).
fn gamma(alpha: f64, stream: &mut Stream) -> f64 {
    if alpha < 1.0 {
        let boost = (1.0 - stream.uniform()).powf(1.0 / alpha);
        return boost * gamma(alpha + 1.0, stream);
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = stream.normal();
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - stream.uniform();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three images of one value each, with one-hot labels.
    fn batch() -> (Vec<f32>, Vec<Vec<f32>>) {
        let images = [1.0f32, 5.0, 9.0].iter().flat_map(|value| [*value; 3 * 6 * 8]).collect();
        (images, vec![vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]])
    }

    #[test]
    fn mixup_blends_images_as_it_blends_labels() {
        let (mut images, mut labels) = batch();
        let mix = Mix { mixup: 0.8, cutmix: 0.0 };
        let share =
            mix.apply(&mut images, [6, 8], labels.iter_mut().collect(), &mut Stream::new(1, "mix", 0, 0)) as f32;
        assert!(share > 0.0 && share < 1.0);
        assert!((images[0] - (share + 9.0 * (1.0 - share))).abs() < 1e-5 && images[144] == 5.0);
        assert_eq!(labels[0], [share, 0.0, 1.0 - share]);
        assert_eq!(
            (labels[1].as_slice(), labels[2].as_slice()),
            (&[0.0, 1.0, 0.0][..], &[1.0 - share, 0.0, share][..])
        );
    }

    #[test]
    fn cutmix_swaps_as_many_pixels_as_its_labels_say() {
        let mut swapped = 0;
        for index in 0..30 {
            let (mut images, mut labels) = batch();
            let mix = Mix { mixup: 0.0, cutmix: 1.0 };
            mix.apply(&mut images, [6, 8], labels.iter_mut().collect(), &mut Stream::new(1, "mix", 0, index));
            let foreign = images[..144].iter().filter(|value| **value == 9.0).count();
            assert!(images[..144].iter().all(|value| [1.0, 9.0].contains(value)));
            assert!((foreign as f32 / 144.0 - labels[0][2]).abs() < 1e-6, "{foreign} {labels:?}");
            assert_eq!(labels[0].iter().sum::<f32>(), 1.0);
            swapped += foreign;
        }
        assert!(swapped > 144, "{swapped}");
    }

    #[test]
    fn shares_have_the_moments_of_their_law() {
        for alpha in [0.2, 0.8, 1.0, 3.0] {
            let mut stream = Stream::new(4, "beta", 0, 0);
            let drawn: Vec<f64> = (0..40_000).map(|_| beta(alpha, &mut stream)).collect();
            let n = drawn.len() as f64;
            let mean = drawn.iter().sum::<f64>() / n;
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            // Variance of Beta(a, a): 1 / (4 (2 a + 1)).
            let want = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 5.0 * (want / n).sqrt(), "{alpha}: {mean}");
            assert!((variance / want - 1.0).abs() < 0.03, "{alpha}: {variance} {want}");
        }
    }
}
