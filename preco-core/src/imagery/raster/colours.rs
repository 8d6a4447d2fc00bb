//! Chosen bands of a window as the bytes that they are: colours need not become numbers and bytes again.

use super::{Raster, SampleType, Window};
use crate::error::Result;

/// The pixels of a window, as bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Colours {
    /// `(height, width, bands)`.
    pub bytes: Vec<u8>,
    /// For each pixel, true where it holds data, by the rules of [`super::Pixels::read`].
    pub valid: Vec<bool>,
}

impl Colours {
    /// The bands `bands` (from 0) of `window`, in that order; nothing where samples are no bytes, or indices of a palette.
    ///
    /// # Errors
    /// As [`Raster::read`].
    ///
    /// # Panics
    /// Where there is no such band.
    pub fn read(raster: &dyn Raster, window: Window, bands: &[usize]) -> Result<Option<Self>> {
        let info = raster.info();
        if info.sample != SampleType::U8 || info.palette.is_some() {
            return Ok(None);
        }
        let mut read = bands.to_vec();
        read.extend(info.alpha);
        let block = raster.read_bands(window, &read)?;
        let mut valid = raster.mask(window)?.unwrap_or_else(|| vec![true; window.area()]);
        // The nodata value may be one that no byte is.
        let nodata = info.nodata.map(|value| value as f32).filter(|value| (0.0..=255.0).contains(value));
        let nodata = nodata.filter(|value| value.fract() == 0.0).map(|value| value as u8);
        for (valid, pixel) in valid.iter_mut().zip(block.bytes.chunks_exact(read.len().max(1))) {
            let (colour, alpha) = pixel.split_at(bands.len());
            *valid &= alpha.iter().all(|&alpha| alpha > 0);
            *valid &= nodata.is_none_or(|nodata| colour.iter().any(|&byte| byte != nodata));
        }
        let bytes = if info.alpha.is_none() {
            block.bytes
        } else {
            block.bytes.chunks_exact(read.len()).flat_map(|pixel| &pixel[..bands.len()]).copied().collect()
        };
        Ok(Some(Self { bytes, valid }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Block, ImageRaster, Pixels, RasterInfo};
    use super::*;
    use crate::imagery::Image8;

    /// Samples, and what a file may say of them.
    struct Said(Image8, RasterInfo);

    impl Raster for Said {
        fn info(&self) -> &RasterInfo {
            &self.1
        }

        fn read(&self, window: Window) -> Result<Block> {
            let pixels = (window.y..window.y + window.height)
                .flat_map(|y| (window.x..window.x + window.width).map(move |x| (x, y)));
            let bytes = pixels.flat_map(|(x, y)| self.0.pixel(x, y).to_vec()).collect();
            Ok(Block { window, bands: self.0.bands(), sample: SampleType::U8, bytes })
        }

        fn mask(&self, _: Window) -> Result<Option<Vec<bool>>> {
            Ok(None)
        }
    }

    #[test]
    fn bytes_are_the_numbers_and_hold_data_where_those_do() {
        let [width, height] = [23, 17];
        let mut stream = crate::rng::Stream::new(5, "bytes", 0, 0);
        // Few values, so that all bands of a pixel are often the same.
        let bytes: Vec<u8> = (0..4 * width * height).map(|_| stream.below(3) as u8).collect();
        let mut info = ImageRaster::describe("said", width, height);
        info.bands.push(None);
        for nodata in [None, Some(0.0), Some(2.0), Some(-9999.0), Some(1.5), Some(300.0)] {
            for alpha in [None, Some(3), Some(1)] {
                let info = RasterInfo { nodata, alpha, ..info.clone() };
                let raster: Arc<dyn Raster> = Arc::new(Said(Image8::new(width, height, 4, bytes.clone()), info));
                for (window, bands) in [(raster.info().window(), [2, 0, 1]), (Window::new(3, 4, 9, 7), [1, 1, 3])] {
                    let numbers = Pixels::read(&*raster, window, &bands).expect("numbers");
                    let colours = Colours::read(&*raster, window, &bands).expect("read").expect("bytes");
                    assert_eq!(colours.valid, numbers.valid, "{nodata:?}, {alpha:?}");
                    for (at, pixel) in colours.bytes.chunks_exact(3).enumerate() {
                        let values = [0, 1, 2].map(|band| numbers.values[band * window.area() + at]);
                        assert_eq!([0, 1, 2].map(|band| f32::from(pixel[band])), values);
                    }
                }
            }
        }
    }
}
