//! Bytes to pixels to tensors. Everything here is deterministic.

mod bands;
mod bytes;
mod decode;
mod image8;
mod jpeg;
mod normalise;
mod png;
pub mod raster;
mod resize;
mod stretch;
mod write_jpeg;

pub use bands::{EUROSAT, choose_bands, may_be_eurosats};
pub use bytes::{ByteSource, FileBytes, MemoryBytes};
pub use decode::{IMAGE_EXTENSIONS, ImageInfo, MAX_PIXELS, decode, decode_bytes, format, probe};
pub use image8::Image8;
pub use normalise::{IMAGENET_MEAN, IMAGENET_STD, Normalise};
pub use png::{encode_png, write_png};
pub use resize::{Filter, crop, resize, resize_box};
pub use stretch::{Levels, Stretch, percentiles};
pub use write_jpeg::write_jpeg;
