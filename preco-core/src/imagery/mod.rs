//! Bytes to pixels to tensors. Everything here is deterministic.

mod rgb;

pub use rgb::Rgb8;
