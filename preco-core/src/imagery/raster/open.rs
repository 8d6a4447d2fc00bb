//! Finding out what kind of raster a file is.

use std::path::Path;
use std::sync::Arc;

use super::{ImageRaster, Raster, TiffRaster};
use crate::error::{Error, Result};
use crate::imagery::decode::is_image;
use crate::imagery::{ByteSource, FileBytes, MAX_PIXELS};

/// The largest image file that is read: what [`MAX_PIXELS`] take without compression.
const MOST_IMAGE_BYTES: u64 = 4 * MAX_PIXELS as u64;

/// The raster in a file; `overview` is 0 for the raster itself, 1 for its largest smaller copy, and so on.
///
/// # Errors
/// [`Error::Io`], and those of [`open`].
pub fn open_file(path: &Path, overview: usize) -> Result<Box<dyn Raster>> {
    let bytes = FileBytes::open(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    open(Arc::new(bytes), &path.display().to_string(), overview)
}

/// The raster in `bytes`: a TIFF by its first bytes, an image otherwise. `name` is for messages.
///
/// # Errors
/// [`Error::Image`] where it is neither, is damaged, or has no such overview.
pub fn open(bytes: Arc<dyn ByteSource>, name: &str, overview: usize) -> Result<Box<dyn Raster>> {
    let mut start = vec![0; bytes.len().min(12) as usize];
    let unreadable = |source| Error::Io { action: "read", path: name.into(), source };
    bytes.read_at(0, &mut start).map_err(unreadable)?;
    if is_tiff(&start) {
        return Ok(Box::new(TiffRaster::open(bytes, name, overview)?));
    }
    let refused = |reason: String| Error::Image { path: name.into(), reason };
    if !start.is_empty() && !is_image(&start) {
        return Err(refused(format!("is no TIFF, JPEG, PNG or WebP (starts with \"{}\")", start.escape_ascii())));
    }
    if overview > 0 {
        return Err(refused(format!("has no overview {overview}: only TIFFs have any")));
    }
    if bytes.len() > MOST_IMAGE_BYTES {
        return Err(refused(format!("is no TIFF and has {} bytes, more than an image file may have", bytes.len())));
    }
    let mut all = vec![0; bytes.len() as usize];
    bytes.read_at(0, &mut all).map_err(unreadable)?;
    Ok(Box::new(ImageRaster::decode(&all, name)?))
}

/// True for the first four bytes of a TIFF or BigTIFF.
pub fn is_tiff(start: &[u8]) -> bool {
    matches!(start.get(..4), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"))
}
