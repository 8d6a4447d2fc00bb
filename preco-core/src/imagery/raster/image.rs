//! An image file as a raster: decoded whole, without coordinates.

use std::path::Path;

use super::{Block, Raster, RasterInfo, SampleType, Window};
use crate::error::{Error, Result};
use crate::imagery::decode::{Stored, decode_stored};
use crate::imagery::{Image8, ImageInfo};

/// A JPEG, PNG or WebP in memory.
pub struct ImageRaster {
    /// Rows of pixels of three samples.
    bytes: Vec<u8>,
    /// Where there is an alpha: whether a pixel can be seen.
    valid: Option<Vec<bool>>,
    info: RasterInfo,
}

impl ImageRaster {
    /// The image in `bytes`; `name` is for messages. Pixels whose alpha is 0 hold no data; samples of 16 bits stay what
    /// they are.
    ///
    /// # Errors
    /// As [`crate::imagery::decode_bytes`].
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self> {
        let Stored { info: ImageInfo { width, height, bits }, bytes, valid } = decode_stored(bytes, Path::new(name))?;
        let sample = if bits == 16 { SampleType::U16 } else { SampleType::U8 };
        let info = RasterInfo { sample, masked: valid.is_some(), ..Self::describe(name, width, height) };
        Ok(Self { bytes, valid, info })
    }

    /// An image that is there already.
    pub fn new(image: Image8, name: &str) -> Self {
        let info = Self::describe(name, image.width(), image.height());
        Self { bytes: image.data().to_vec(), valid: None, info }
    }

    /// What an image of this size is, of eight bits and without alpha, without its pixels.
    pub fn describe(name: &str, width: usize, height: usize) -> RasterInfo {
        RasterInfo {
            name: name.to_owned(),
            width,
            height,
            bands: ["red", "green", "blue"].map(|name| Some(name.to_owned())).to_vec(),
            sample: SampleType::U8,
            nodata: None,
            alpha: None,
            masked: false,
            palette: None,
            affine: None,
            crs: None,
            block: [width, height],
            overviews: Vec::new(),
            is_image: true,
            storage: "an image file".to_owned(),
        }
    }
}

impl Raster for ImageRaster {
    fn info(&self) -> &RasterInfo {
        &self.info
    }

    fn read(&self, window: Window) -> Result<Block> {
        if window.within(self.info.width, self.info.height) != window {
            let reason = format!("{window:?} is not inside {}x{} pixels", self.info.width, self.info.height);
            return Err(Error::Image { path: self.info.name.clone().into(), reason });
        }
        let row = |y: usize| {
            let pixel = 3 * self.info.sample.bytes();
            let at = pixel * (y * self.info.width + window.x);
            &self.bytes[at..at + pixel * window.width]
        };
        let bytes = (window.y..window.y + window.height).flat_map(row).copied().collect();
        Ok(Block { window, bands: 3, sample: self.info.sample, bytes })
    }

    fn mask(&self, window: Window) -> Result<Option<Vec<bool>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        let row = |y: usize| &valid[y * self.info.width + window.x..][..window.width];
        Ok(Some((window.y..window.y + window.height).flat_map(row).copied().collect()))
    }
}
