//! Patch merging's gather: two by two neighbours side by side, in Swin's order (0,0), (1,0), (0,1), (1,1) as (row, column).
//!
//! Shapes: `(N · H · W, C)` to `(N · ⌈H/2⌉ · ⌈W/2⌉, 4C)`. An odd grid is padded with zeros at the bottom and right.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::adjoint::LinearMap;
use super::host;
use crate::error::Result;

/// The grid before merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeGeometry {
    /// Rows and columns of tokens.
    pub grid: [usize; 2],
    /// Channels of a token.
    pub channels: usize,
}

impl MergeGeometry {
    /// Rows and columns of tokens after merging.
    pub fn merged(&self) -> [usize; 2] {
        self.grid.map(|side| side.div_ceil(2))
    }
}

/// Two by two neighbours side by side.
///
/// # Shapes
/// `(N, H, W, C)` to `(N, ⌈H/2⌉, ⌈W/2⌉, 4C)`.
///
/// # Errors
/// [`crate::error::Error::Config`] where x is not f32 on the CPU or has not four dimensions.
pub fn merge_patches(x: &Tensor) -> Result<Tensor> {
    let x = host::argument("merge_patches", "x", x)?;
    let [count, height, width, channels] = host::images("merge_patches", "x", &x)?;
    let geometry = MergeGeometry { grid: [height, width], channels };
    let [rows, columns] = geometry.merged();
    let map = LinearMap::new(
        "merge_patches",
        (count, rows, columns, 4 * channels),
        move |x, y| cpu::merge(&geometry, count, x, y),
        move |dy, dx| cpu::split(&geometry, count, dy, dx),
    );
    Ok(x.apply_op1(map)?)
}
