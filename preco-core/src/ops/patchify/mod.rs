//! Images to rows of patches and back: a convolution whose kernel is its stride is a product over such rows, and pixel
//! shuffle is the way back.
//!
//! Shapes: `(N, channels, H, W)` to `(N · rows · columns, channels · patch²)`, features in the order channel, row, column:
//! the order of a flattened convolution kernel and of PixelShuffle's channels. A patch that reaches over the right or the
//! bottom edge reads zeros there.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::adjoint::LinearMap;
use super::host;
use crate::error::{Error, Result};

/// How an image is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGeometry {
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image in pixels.
    pub size: [usize; 2],
    /// Side of a patch in pixels.
    pub patch: usize,
}

impl PatchGeometry {
    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.patch))
    }

    /// Patches of one image.
    pub fn tokens(&self) -> usize {
        self.grid()[0] * self.grid()[1]
    }

    /// Values of one patch.
    pub fn features(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// Values of one image.
    pub fn pixels(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }
}

/// Images to rows of patches; a patch over the right or the bottom edge reads zeros there.
///
/// # Shapes
/// `(N, channels, H, W)` to `(N, ⌈H/patch⌉ · ⌈W/patch⌉, channels · patch²)`.
///
/// # Errors
/// [`Error::Config`] where x is not f32 on the CPU or has not four dimensions, or where `patch` is 0.
pub fn patchify(x: &Tensor, patch: usize) -> Result<Tensor> {
    let x = host::argument("patchify", "x", x)?;
    let [count, channels, height, width] = host::images("patchify", "x", &x)?;
    if patch == 0 {
        return Err(Error::config("patchify: a patch must have at least one pixel, not 0"));
    }
    let geometry = PatchGeometry { channels, size: [height, width], patch };
    let map = LinearMap::new(
        "patchify",
        (count, geometry.tokens(), geometry.features()),
        move |x, y| cpu::patchify(&geometry, count, x, y),
        move |dy, dx| cpu::unpatchify(&geometry, count, dy, dx),
    );
    Ok(x.apply_op1(map)?)
}

/// Rows of patches to the images that `geometry` says; values beyond the edges are dropped.
///
/// # Shapes
/// `(N, geometry.tokens(), geometry.features())` to `(N, geometry.channels, H, W)`.
///
/// # Errors
/// [`Error::Config`] where x is not f32 on the CPU, or has another shape.
pub fn unpatchify(x: &Tensor, geometry: &PatchGeometry) -> Result<Tensor> {
    let x = host::argument("unpatchify", "x", x)?;
    if geometry.patch == 0 {
        return Err(Error::config("unpatchify: a patch must have at least one pixel, not 0"));
    }
    let geometry = *geometry;
    let count = x.dims().first().copied().unwrap_or(0);
    let shape = [count, geometry.tokens(), geometry.features()];
    host::expect("unpatchify", "x", &x, &shape, &format!("{geometry:?}"))?;
    let map = LinearMap::new(
        "unpatchify",
        (count, geometry.channels, geometry.size[0], geometry.size[1]),
        move |x, y| cpu::unpatchify(&geometry, count, x, y),
        move |dy, dx| cpu::patchify(&geometry, count, dy, dx),
    );
    Ok(x.apply_op1(map)?)
}
