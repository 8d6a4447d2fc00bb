//! A random part of an image, as torchvision's `RandomResizedCrop` draws it.

use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Draws before the centre is taken.
const TRIES: usize = 10;

/// The law of a random box.
///
/// A box has `scale` of the image's area, uniform, and the aspect `width / height` in `ratio`, uniform in its logarithm;
/// its place is uniform. Ten boxes are drawn until one fits; otherwise it is the largest centred box whose aspect lies
/// in `ratio`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Smallest and largest part of the area.
    pub scale: [f64; 2],
    /// Smallest and largest width / height.
    pub ratio: [f64; 2],
}

/// Whole pixels of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropBox {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl RandomResizedCrop {
    /// Checks the ranges, which may come from a file.
    ///
    /// # Errors
    /// [`Error::Config`] for a scale outside `0 < low <= high <= 1` or a ratio outside `0 < low <= high`.
    pub fn check(&self) -> Result<()> {
        let ordered = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if !ordered(self.scale) || self.scale[1] > 1.0 {
            return Err(Error::config(format!(
                "augment.scale is {:?}; two parts of the area are needed, 0 < low <= high <= 1",
                self.scale
            )));
        }
        if !ordered(self.ratio) {
            return Err(Error::config(format!(
                "augment.ratio is {:?}; two ratios are needed, 0 < low <= high",
                self.ratio
            )));
        }
        Ok(())
    }

    /// A box of an image of `width` by `height` pixels; the largest in the middle where ten drawn do not fit.
    ///
    /// # Randomness
    /// That of [`RandomResizedCrop::attempt`].
    pub fn draw(&self, width: usize, height: usize, stream: &mut Stream) -> CropBox {
        self.attempt(width, height, stream).unwrap_or_else(|| self.centre(width, height))
    }

    /// A box of an image of `width` by `height` pixels; `None` where ten drawn do not fit.
    ///
    /// # Randomness
    /// Two numbers for each box drawn and two for the place of the one that fits.
    pub fn attempt(&self, width: usize, height: usize, stream: &mut Stream) -> Option<CropBox> {
        let area = width as f64 * height as f64;
        let [low, high] = self.ratio.map(f64::ln);
        for _ in 0..TRIES {
            let target = area * stream.between(self.scale[0], self.scale[1]);
            let aspect = stream.between(low, high).exp();
            // Python rounds halves to even.
            let w = (target * aspect).sqrt().round_ties_even() as usize;
            let h = (target / aspect).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = stream.below(height - h + 1);
                let left = stream.below(width - w + 1);
                return Some(CropBox { left, top, width: w, height: h });
            }
        }
        None
    }

    /// The largest centred box whose aspect lies in the range.
    fn centre(&self, width: usize, height: usize) -> CropBox {
        let aspect = width as f64 / height as f64;
        let rounded = |size: f64, limit: usize| (size.round_ties_even() as usize).clamp(1.min(limit), limit);
        let (w, h) = if aspect < self.ratio[0] {
            (width, rounded(width as f64 / self.ratio[0], height))
        } else if aspect > self.ratio[1] {
            (rounded(height as f64 * self.ratio[1], width), height)
        } else {
            (width, height)
        };
        CropBox { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMMIM: RandomResizedCrop = RandomResizedCrop { scale: [0.67, 1.0], ratio: [0.75, 4.0 / 3.0] };

    #[test]
    fn area_and_aspect_stay_in_their_ranges_and_fill_them() {
        let law = RandomResizedCrop { scale: [0.08, 0.5], ratio: SIMMIM.ratio };
        let mut stream = Stream::new(1, "crop", 0, 0);
        let (mut areas, mut logs) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let found = law.draw(640, 480, &mut stream);
            areas.push((found.width * found.height) as f64 / (640.0 * 480.0));
            logs.push((found.width as f64 / found.height as f64).ln());
        }
        // Half a pixel of rounding on the smallest side, 135, is 0.4 %.
        assert!(areas.iter().all(|area| (0.079..0.503).contains(area)));
        let limit = (4.0f64 / 3.0).ln();
        assert!(logs.iter().all(|log| log.abs() < limit + 0.008));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        // Nothing is rejected at these sizes: a uniform area has mean 0.29, a log-uniform aspect has mean 0 and
        // deviation limit/√3. Four standard errors.
        assert!((mean(&areas) - 0.29).abs() < 4.0 * 0.42 / 12f64.sqrt() / 20_000f64.sqrt());
        assert!(mean(&logs).abs() < 4.0 * limit / 3f64.sqrt() / 20_000f64.sqrt());
        let squares: Vec<f64> = logs.iter().map(|log| log * log).collect();
        assert!((mean(&squares).sqrt() / (limit / 3f64.sqrt()) - 1.0).abs() < 0.02);
    }

    #[test]
    fn every_place_is_equally_likely() {
        // Half the area of a 10x10 image at aspect 1 is 7x7: 4x4 places.
        let law = RandomResizedCrop { scale: [0.5, 0.5], ratio: [1.0, 1.0] };
        let mut stream = Stream::new(2, "crop", 0, 0);
        let mut seen = [[0usize; 4]; 4];
        for _ in 0..16_000 {
            let found = law.draw(10, 10, &mut stream);
            assert_eq!((found.width, found.height), (7, 7));
            seen[found.top][found.left] += 1;
        }
        // 1000 each, deviation 31.
        assert!(seen.iter().flatten().all(|count| (870..1130).contains(count)), "{seen:?}");
    }

    #[test]
    fn a_strip_gives_its_centre() {
        // No box of two thirds of a strip has an aspect near 1: the fallback is as wide as high times 4/3.
        let mut stream = Stream::new(3, "crop", 0, 0);
        let wide = SIMMIM.draw(300, 30, &mut stream);
        assert_eq!(wide, CropBox { left: 130, top: 0, width: 40, height: 30 });
        let high = SIMMIM.draw(30, 300, &mut stream);
        assert_eq!(high, CropBox { left: 0, top: 130, width: 30, height: 40 });
    }

    #[test]
    fn boxes_lie_in_images_of_any_size() {
        let mut stream = Stream::new(4, "crop", 0, 0);
        for (width, height) in [(1, 1), (1, 2), (2, 1), (1, 1000), (5, 3), (64, 64), (4001, 7)] {
            for _ in 0..200 {
                let found = SIMMIM.draw(width, height, &mut stream);
                assert!(found.width >= 1 && found.left + found.width <= width, "{found:?} in {width}x{height}");
                assert!(found.height >= 1 && found.top + found.height <= height, "{found:?} in {width}x{height}");
            }
        }
    }

    #[test]
    fn one_stream_gives_one_box() {
        let draw = |index| SIMMIM.draw(100, 100, &mut Stream::new(5, "crop", 8, index));
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
