//! The decoder g: SimMIM's head, one 1×1 convolution to `3 · stride²` channels and a pixel shuffle.
//!
//! Training never shuffles: the target is cut into patches once instead, whose features have the order of the
//! convolution's channels. Only pictures are shuffled back.

use crate::backbones::swin::SwinConfig;
use crate::nn::Linear;
use crate::nn::params::Layout;
use crate::ops::patchify::PatchGeometry;

/// Adds `decoder.0` to the layout: from the encoder's features to one square of pixels per token.
pub(super) fn decoder(layout: &mut Layout, encoder: &SwinConfig) -> Linear {
    let side = encoder.total_stride();
    let depth = encoder.depths.iter().sum::<usize>() + 1;
    Linear::convolution(layout, "decoder.0", encoder.features(), 1, 3 * side * side, depth)
}

/// How an image is cut into the decoder's squares.
pub(super) fn squares(encoder: &SwinConfig, channels: usize) -> PatchGeometry {
    PatchGeometry { channels, size: encoder.input, patch: encoder.total_stride() }
}
