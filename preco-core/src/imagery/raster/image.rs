//! An image file as a raster: decoded whole, without coordinates.

use std::path::Path;

use super::{Block, Raster, RasterInfo, SampleType, Window};
use crate::error::{Error, Result};
use crate::imagery::{Image8, decode_bytes};

/// A JPEG, PNG or WebP in memory.
pub struct ImageRaster {
    image: Image8,
    info: RasterInfo,
}

impl ImageRaster {
    /// The image in `bytes`; `name` is for messages.
    ///
    /// # Errors
    /// As [`decode_bytes`].
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self> {
        Ok(Self::new(decode_bytes(bytes, Path::new(name))?, name))
    }

    /// An image that is there already.
    pub fn new(image: Image8, name: &str) -> Self {
        let info = Self::describe(name, image.width(), image.height());
        Self { image, info }
    }

    /// What an image of this size is, without its pixels.
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
            let at = 3 * (y * self.info.width + window.x);
            &self.image.data()[at..at + 3 * window.width]
        };
        let bytes = (window.y..window.y + window.height).flat_map(row).copied().collect();
        Ok(Block { window, bands: 3, sample: SampleType::U8, bytes })
    }

    fn mask(&self, _: Window) -> Result<Option<Vec<bool>>> {
        Ok(None)
    }
}
