//! Scenes: rasters of any size, read in windows.
//!
//! [`Raster`] is what a scene offers, whatever it is stored in; [`open()`] finds out which of two it is: a TIFF
//! ([`TiffRaster`]: GeoTIFF, COG, BigTIFF) or an image file, which is decoded whole. [`Block`] is samples as they are
//! stored; [`Pixels`] is what a network needs of them: chosen bands as numbers, and which pixels hold data; [`Colours`] is
//! the same of bytes that need no stretch.

mod colours;
mod image;
mod info;
mod open;
mod pixels;
mod refusal;
mod sample;
mod sparse;
mod tags;
mod tiff;
mod window;

pub use colours::Colours;
pub use image::ImageRaster;
pub use info::{Palette, RasterInfo};
pub use open::{is_tiff, open, open_file};
pub use pixels::Pixels;
pub use sample::{Block, SampleType};
pub use tiff::TiffRaster;
pub use window::Window;

use crate::error::Result;

/// A grid of pixels with bands, read in windows. Several threads may read at once.
pub trait Raster: Send + Sync {
    /// What it is.
    fn info(&self) -> &RasterInfo;

    /// The samples of `window`, as they are stored.
    ///
    /// # Errors
    /// [`crate::error::Error::Image`] where the window is not inside, or what is stored there is damaged or unsupported.
    fn read(&self, window: Window) -> Result<Block>;

    /// The samples of some bands of `window`, counted from 0, in the order given.
    ///
    /// # Errors
    /// As [`Raster::read`].
    ///
    /// # Panics
    /// Where there is no such band.
    fn read_bands(&self, window: Window, bands: &[usize]) -> Result<Block> {
        Ok(self.read(window)?.select(bands))
    }

    /// Where a mask is stored beside the samples: for each pixel of `window`, true where there is data.
    ///
    /// # Errors
    /// As [`Raster::read`].
    fn mask(&self, window: Window) -> Result<Option<Vec<bool>>>;
}

#[cfg(test)]
mod tests;
