//! Bytes to pixels to tensors. Everything here is deterministic.

mod decode;
#[cfg(test)]
mod golden;
mod jpeg;
mod normalise;
mod png;
mod resize;
mod rgb;

pub use decode::{IMAGE_EXTENSIONS, ImageInfo, MAX_PIXELS, decode, decode_bytes, probe};
pub use normalise::{IMAGENET_MEAN, IMAGENET_STD, Normalise};
pub use png::{encode_png, write_png};
pub use resize::{Filter, crop, resize, resize_box};
pub use rgb::Rgb8;
