//! The two convolutions that are one matrix product each: kernel = stride (a patch embedding), and kernel = 1.
//!
//! Shapes: images `(N, C, H, W)`, weights as PyTorch stores them, `(O, C, side, side)`. f32, sums in order.

mod node;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::{host, linear, patchify};
use crate::error::{Error, Result};
use crate::simd::Level;

/// A convolution whose kernel and stride are both `patch`; patches over the right and bottom edges read zeros there.
///
/// # Shapes
/// x `(N, C, H, W)`, w `(O, C, patch, patch)`, b `(O)`; `(N, O, ⌈H/patch⌉, ⌈W/patch⌉)` out, as a view whose channels lie
/// together.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU or the shapes do not fit.
pub fn patch_convolution(level: Level, x: &Tensor, w: &Tensor, b: Option<&Tensor>, patch: usize) -> Result<Tensor> {
    const OP: &str = "patch_convolution";
    let [count, channels, height, width] = host::images(OP, "x", x)?;
    let [outputs, ..] = host::images(OP, "w", w)?;
    let because = format!("x of shape {:?} with patches of {patch}", x.dims());
    host::expect(OP, "w", w, &[outputs, channels, patch, patch], &because)?;
    let rows = patchify::patchify(x, patch)?;
    let y = linear::linear(level, &rows, &w.flatten_from(1)?, b)?;
    let y = y.reshape((count, height.div_ceil(patch), width.div_ceil(patch), outputs))?;
    Ok(y.permute((0, 3, 1, 2))?)
}

/// A convolution with a kernel of one pixel: a linear layer over channels.
///
/// # Shapes
/// x `(N, C, H, W)`, w `(O, C, 1, 1)` or `(O, C)`, b `(O)`; `(N, O, H, W)` out.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU or the shapes do not fit.
pub fn pointwise_convolution(level: Level, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    const OP: &str = "pointwise_convolution";
    let (x, w) = (host::argument(OP, "x", x)?, host::argument(OP, "w", w)?);
    let [_, channels, ..] = host::images(OP, "x", &x)?;
    let fits = match *w.dims() {
        [_, inputs] | [_, inputs, 1, 1] => inputs == channels,
        _ => false,
    };
    if !fits {
        return Err(Error::config(format!(
            "{OP}: w has shape {:?}, x of shape {:?} needs (outputs, {channels}, 1, 1)",
            w.dims(),
            x.dims()
        )));
    }
    let node = node::PointwiseNode::new(level);
    Ok(match b {
        None => x.apply_op2(&w, node)?,
        Some(b) => {
            let b = host::argument(OP, "b", b)?;
            host::expect(OP, "b", &b, &w.dims()[..1], &format!("w of shape {:?}", w.dims()))?;
            x.apply_op3(&w, &b, node)?
        }
    })
}
