//! What a raster is, before a pixel of it is read.

use super::{SampleType, Window};
use crate::geo::{Affine, Crs};

/// Samples that are read at once, in bytes as stored; and pixels, since numbers of chosen bands take room too.
const PIECE_BYTES: usize = 32 << 20;
const PIECE_PX: usize = 1 << 20;

/// The colours of a raster whose samples are indices.
pub type Palette = Vec<[u8; 3]>;

/// What a raster is.
#[derive(Clone, Debug)]
pub struct RasterInfo {
    /// The file or address, for messages.
    pub name: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// A name for each band: what the file says (`red`, `B04`), or nothing.
    pub bands: Vec<Option<String>>,
    /// The type of its samples.
    pub sample: SampleType,
    /// The value of pixels without data.
    pub nodata: Option<f64>,
    /// The band, if one is, that is 0 where there is no data.
    pub alpha: Option<usize>,
    /// True where a mask is stored beside the samples.
    pub masked: bool,
    /// The colours, where samples are indices into them.
    pub palette: Option<Palette>,
    /// From pixels to coordinates.
    pub affine: Option<Affine>,
    /// What the coordinates are.
    pub crs: Option<Crs>,
    /// Width and height of a stored tile or strip.
    pub block: [usize; 2],
    /// Width and height of each smaller copy of the raster that is stored with it, largest first.
    pub overviews: Vec<[usize; 2]>,
    /// True for an image file, which is decoded whole; false for a scene that is read in windows.
    pub is_image: bool,
    /// How it is stored: `tiles 256x256, Deflate, predictor 2`.
    pub storage: String,
}

impl RasterInfo {
    /// All of it.
    pub fn window(&self) -> Window {
        Window::new(0, 0, self.width, self.height)
    }

    /// False where every pixel is sure to hold data.
    pub fn may_lack_data(&self) -> bool {
        let is_float = matches!(self.sample, SampleType::F32 | SampleType::F64);
        self.nodata.is_some() || self.alpha.is_some() || self.masked || is_float
    }

    /// The window in pieces whose samples, of all bands, are read at once: at most about 32 MB, so that their decoded
    /// blocks stay in a cache while band after band is read.
    pub fn pieces(&self, window: Window) -> impl Iterator<Item = Window> {
        let pixel = self.bands.len().max(1) * self.sample.bytes();
        window.pieces(self.block, (PIECE_BYTES / pixel).clamp(1, PIECE_PX))
    }

    /// The bands by number and name, as in `1 red, 2 green, 3 B08, 4`.
    pub fn band_list(&self) -> String {
        let name = |(at, name): (usize, &Option<String>)| match name {
            Some(name) => format!("{} {name}", at + 1),
            None => (at + 1).to_string(),
        };
        self.bands.iter().enumerate().map(name).collect::<Vec<_>>().join(", ")
    }
}
