//! Window attention with a relative-position bias (Swin, equation 4): `softmax(q kᵀ / √d + B + M) v` in every window.
//!
//! `B` is learnt, one table for all windows; `M` is −100 between regions that a shift has brought together. Rolling,
//! padding, partitioning and their reverses are folded into an index map: nothing is permuted in memory.
//! Shapes: qkv `(N · H · W, 3C)` with channels (q, k, v) × heads × d; out `(N · H · W, C)`; table
//! `((2h−1)(2w−1), heads)`. f32 throughout; the softmax is recomputed in the backward pass rather than kept.

pub(crate) mod cpu;
mod geometry;
mod node;
mod product;
#[cfg(test)]
mod tests;

#[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
pub(crate) use geometry::PAD;
pub use geometry::WindowGeometry;
pub(crate) use geometry::effective_window;

use candle_core::Tensor;

use super::host;
use crate::error::{Error, Result};
use crate::simd::Level;

/// Attention in every window of `geometry`.
///
/// `pad_row` is what a padded place holds: the bias of the projection that made qkv, since padding is zero before it.
///
/// # Shapes
/// qkv `(…, 3C)`, with whole images of tokens before the last dimension; pad_row `(3C)`; table
/// `((2h−1)(2w−1), heads)` for a window of h x w; `(…, C)` out.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU, where the shapes do not fit, where the heads do not divide
/// the channels, and where a window has more than 1024 places.
pub fn window_attention(
    level: Level,
    qkv: &Tensor,
    pad_row: &Tensor,
    table: &Tensor,
    geometry: &WindowGeometry,
) -> Result<Tensor> {
    const OP: &str = "window_attention";
    let (heads, channels, [h, w]) = (geometry.heads, geometry.channels, geometry.window);
    if heads == 0 || channels == 0 || !channels.is_multiple_of(heads) {
        return Err(Error::config(format!("{OP}: {heads} heads do not divide {channels} channels")));
    }
    if geometry.tokens == 0 {
        return Err(Error::config(format!("{OP}: a grid without tokens has no windows")));
    }
    if h * w > cpu::MOST_PLACES {
        return Err(Error::config(format!("{OP}: a {h}x{w} window has more than {} places", cpu::MOST_PLACES)));
    }
    let (qkv, pad_row) = (host::argument(OP, "qkv", qkv)?, host::argument(OP, "pad_row", pad_row)?);
    let table = host::argument(OP, "table", table)?;
    if host::width(OP, "qkv", &qkv)? != 3 * channels || !qkv.elem_count().is_multiple_of(geometry.tokens * 3 * channels)
    {
        return Err(Error::config(format!(
            "{OP}: qkv has shape {:?}, the windows need images of {} tokens of 3 x {channels} values",
            qkv.dims(),
            geometry.tokens
        )));
    }
    host::expect(OP, "pad_row", &pad_row, &[3 * channels], &format!("qkv of shape {:?}", qkv.dims()))?;
    let shape = [(2 * h - 1) * (2 * w - 1), heads];
    host::expect(OP, "table", &table, &shape, &format!("a {h}x{w} window with {heads} heads"))?;
    Ok(qkv.apply_op3(&pad_row, &table, node::WindowAttentionNode { level, geometry: geometry.clone() })?)
}
