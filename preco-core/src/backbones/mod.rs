//! Encoders: images to feature maps.

pub mod swin;
