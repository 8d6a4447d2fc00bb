//! Chosen bands of a window as numbers, and which of its pixels hold data.

use super::{Raster, Window};
use crate::error::{Error, Result};

/// The pixels of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Band after band, each `(height, width)`.
    pub values: Vec<f32>,
    /// For each pixel, true where it holds data.
    pub valid: Vec<bool>,
}

impl Pixels {
    /// The bands `bands` (from 0) of `window`, in that order; of a raster with a palette, its colours in place of band 0:
    /// red is 0, green 1, blue 2.
    ///
    /// A pixel holds no data where all of these bands are the raster's nodata value, one of them is not a finite number,
    /// its alpha is 0, or the stored mask says so.
    ///
    /// # Errors
    /// As [`Raster::read`], and [`Error::Image`] where there is no such band.
    pub fn read(raster: &dyn Raster, window: Window, bands: &[usize]) -> Result<Self> {
        let info = raster.info();
        let most = if info.palette.is_some() { 3 } else { info.bands.len() };
        if let Some(band) = bands.iter().find(|&&band| band >= most) {
            let reason = format!("has no band {}, only {}", band + 1, info.band_list());
            return Err(Error::Image { path: info.name.clone().into(), reason });
        }
        let area = window.area();
        // The bands that are read: those of colours, or the indices of a palette; then alpha.
        let mut read = if info.palette.is_some() { vec![0] } else { bands.to_vec() };
        let alpha = info.alpha.map(|alpha| read.iter().position(|&band| band == alpha).unwrap_or(read.len()));
        read.extend(info.alpha.filter(|_| alpha == Some(read.len())));
        let block = raster.read_bands(window, &read)?;
        let mut values = vec![0.0; area * bands.len()];
        let mut valid = raster.mask(window)?.unwrap_or_else(|| vec![true; area]);
        let mut plane = vec![0.0; area];
        if let Some(alpha) = alpha {
            block.band(alpha, &mut plane);
            valid.iter_mut().zip(&plane).for_each(|(valid, alpha)| *valid &= *alpha > 0.0);
        }
        if let Some(palette) = &info.palette {
            block.band(0, &mut plane);
            let colour = |index: f32| palette.get(index as usize).copied().unwrap_or_default();
            for (&band, out) in bands.iter().zip(values.chunks_exact_mut(area.max(1))) {
                out.iter_mut().zip(&plane).for_each(|(out, index)| *out = f32::from(colour(*index)[band]));
            }
            if let Some(nodata) = info.nodata {
                valid.iter_mut().zip(&plane).for_each(|(valid, index)| *valid &= f64::from(*index) != nodata);
            }
            return Ok(Self { width: window.width, height: window.height, values, valid });
        }
        for (at, out) in values.chunks_exact_mut(area.max(1)).enumerate() {
            block.band(at, out);
        }
        let mut pixels = Self { width: window.width, height: window.height, values, valid };
        pixels.drop_nodata(info.nodata);
        Ok(pixels)
    }

    /// The share of pixels with data, 0 for a window without pixels.
    pub fn valid_share(&self) -> f64 {
        self.valid.iter().filter(|&&valid| valid).count() as f64 / self.valid.len().max(1) as f64
    }

    fn drop_nodata(&mut self, nodata: Option<f64>) {
        let area = self.valid.len();
        let planes = || self.values.chunks_exact(area.max(1));
        // The file's text is a double; what is stored was rounded to the samples' type first.
        let nodata = nodata.map(|value| value as f32);
        for (at, valid) in self.valid.iter_mut().enumerate() {
            *valid &= planes().all(|plane| plane[at].is_finite());
            if let Some(nodata) = nodata {
                *valid &= planes().any(|plane| plane[at] != nodata);
            }
        }
    }
}
