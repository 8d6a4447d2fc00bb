//! Means and deviations of a data set's colours.

use preco_core::imagery::{Image8, Normalise};
use rayon::prelude::*;

use super::ImageSource;
use crate::error::{Error, Result};

/// Mean and standard deviation of each band over all pixels of `sample` images spread evenly over `source` (all images
/// where it has no more), of values in `[0, 1]`.
///
/// The sums are of integers, so the result does not depend on the number of threads. A band of one value gets the
/// deviation 1/255, which can be divided by.
///
/// # Errors
/// [`Error::Config`] for no image, and the source's error for an image that cannot be read.
pub fn mean_std(source: &dyn ImageSource, sample: usize) -> Result<Normalise> {
    let len = source.len();
    let count = sample.min(len);
    if count == 0 {
        return Err(Error::config(format!(
            "cannot measure colours on {sample} of {len} images: at least one is needed"
        )));
    }
    let sums: Vec<Sums> = (0..count)
        .into_par_iter()
        .map(|at| Ok(Sums::of(&source.image((at as u128 * len as u128 / count as u128) as usize)?)))
        .collect::<Result<_>>()?;
    let mut total = Sums::none(sums[0].values.len());
    for sums in &sums {
        total.add(sums);
    }
    Ok(total.finish())
}

/// Sums over pixels, by band. A u64 holds the squares of 2.8e14 pixels.
struct Sums {
    pixels: u64,
    values: Vec<u64>,
    squares: Vec<u64>,
}

impl Sums {
    fn none(bands: usize) -> Self {
        Self { pixels: 0, values: vec![0; bands], squares: vec![0; bands] }
    }

    fn of(image: &Image8) -> Self {
        let mut sums = Self { pixels: (image.width() * image.height()) as u64, ..Self::none(image.bands()) };
        for pixel in image.data().chunks_exact(image.bands()) {
            for (band, &value) in pixel.iter().enumerate() {
                sums.values[band] += u64::from(value);
                sums.squares[band] += u64::from(value).pow(2);
            }
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.pixels += other.pixels;
        for band in 0..self.values.len() {
            self.values[band] += other.values[band];
            self.squares[band] += other.squares[band];
        }
    }

    fn finish(&self) -> Normalise {
        let pixels = self.pixels.max(1) as f64;
        let deviation = |band: usize| {
            // n Σv² − (Σv)² in integers: the difference of two large floats would lose the digits that matter.
            let spread =
                u128::from(self.pixels) * u128::from(self.squares[band]) - u128::from(self.values[band]).pow(2);
            ((spread as f64).sqrt() / pixels).max(1.0)
        };
        Normalise {
            mean: self.values.iter().map(|&value| (value as f64 / pixels / 255.0) as f32).collect(),
            std: (0..self.values.len()).map(|band| (deviation(band) / 255.0) as f32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(Vec<Image8>);

    impl ImageSource for Made {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn image(&self, index: usize) -> Result<Image8> {
            Ok(self.0[index].clone())
        }
        fn label(&self, _: usize) -> Option<usize> {
            None
        }
        fn name(&self, index: usize) -> String {
            index.to_string()
        }
        fn classes(&self) -> &[String] {
            &[]
        }
    }

    #[test]
    fn pixels_weigh_the_same_whatever_their_image() {
        // Red: 0 three times and 255 once, mean 1/4, deviation √3/4. Blue: constant.
        let source = Made(vec![Image8::filled(3, 1, [0, 100, 9]), Image8::filled(1, 1, [255, 200, 9])]);
        let found = mean_std(&source, 10).expect("statistics");
        let want = [0.25, 125.0 / 255.0, 9.0 / 255.0];
        assert!(found.mean.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        assert!((found.std[0] - 3f32.sqrt() / 4.0).abs() < 1e-6, "{found:?}");
        assert!((found.std[1] - 3f32.sqrt() * 25.0 / 255.0).abs() < 1e-6, "{found:?}");
        assert_eq!(found.std[2], 1.0 / 255.0);
    }

    #[test]
    fn a_sample_is_spread_over_the_whole_set() {
        let source = Made((0..10).map(|value| Image8::filled(1, 1, [value; 3])).collect());
        // Images 0 and 5.
        assert!((mean_std(&source, 2).expect("statistics").mean[0] - 2.5 / 255.0).abs() < 1e-7);
        assert!(mean_std(&source, 0).is_err());
        assert!(mean_std(&Made(vec![]), 3).is_err());
    }
}
