//! Pixel shuffle: channels to squares of pixels, `y[c, f h + i, f w + j] = x[c f² + i f + j, h, w]` (PyTorch's order).
//!
//! Shapes: `(N, C f², H, W)` to `(N, C, f H, f W)`. Where the channels already lie together for each token, as behind a
//! linear layer, [`super::patchify::unpatchify`] does the same without the transposition.

mod cpu;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::adjoint::LinearMap;
use super::host;
use crate::error::{Error, Result};

/// Squares of `factor` x `factor` pixels from channels.
///
/// # Shapes
/// `(N, C · factor², H, W)` to `(N, C, H · factor, W · factor)`.
///
/// # Errors
/// [`Error::Config`] where x is not f32 on the CPU or has not four dimensions, or where factor² does not divide the
/// channels.
pub fn pixel_shuffle(x: &Tensor, factor: usize) -> Result<Tensor> {
    let x = host::argument("pixel_shuffle", "x", x)?;
    let [count, channels, height, width] = host::images("pixel_shuffle", "x", &x)?;
    if factor == 0 || !channels.is_multiple_of(factor * factor) {
        return Err(Error::config(format!(
            "pixel_shuffle: factor {factor} needs a multiple of {} channels, x has {channels}",
            factor * factor
        )));
    }
    let channels = channels / (factor * factor);
    let planes = count * channels;
    let map = LinearMap::new(
        "pixel_shuffle",
        (count, channels, height * factor, width * factor),
        move |x, y| cpu::shuffle(planes, [height, width], factor, x, y),
        move |dy, dx| cpu::unshuffle(planes, [height, width], factor, dy, dx),
    );
    Ok(x.apply_op1(map)?)
}
