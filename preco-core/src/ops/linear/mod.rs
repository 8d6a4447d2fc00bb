//! `y = x Wᵀ + b`, and its GELU.
//!
//! Shapes: x `(…, inputs)`, W `(outputs, inputs)`, b `(outputs)`, y `(…, outputs)`. f32; sums along `inputs` in blocks of
//! 256, in order. The bias and the GELU leave with the product instead of as passes of their own.

mod node;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::host;
use crate::error::{Error, Result};
use crate::simd::Level;
use node::LinearNode;

/// `x Wᵀ + b`.
///
/// # Shapes
/// x `(…, inputs)`, w `(outputs, inputs)`, b `(outputs)`; `(…, outputs)` out.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU or the shapes do not fit.
pub fn linear(level: Level, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    apply(level, "linear", false, x, w, b)
}

/// `gelu(x Wᵀ + b)`; keeps the product for the backward pass where there will be one.
///
/// # Shapes
/// As [`linear`].
///
/// # Errors
/// As [`linear`].
pub fn linear_gelu(level: Level, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    apply(level, "linear_gelu", true, x, w, b)
}

fn apply(level: Level, op: &'static str, gelu: bool, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let (x, w) = (host::argument(op, "x", x)?, host::argument(op, "w", w)?);
    let inputs = host::width(op, "x", &x)?;
    if w.rank() != 2 || w.dims()[1] != inputs {
        return Err(Error::config(format!(
            "{op}: w has shape {:?}, x of shape {:?} needs (outputs, {inputs})",
            w.dims(),
            x.dims()
        )));
    }
    let tracked = x.track_op() || w.track_op() || b.is_some_and(Tensor::track_op);
    let node = LinearNode::new(level, op, gelu, tracked);
    Ok(match b {
        None => x.apply_op2(&w, node)?,
        Some(b) => {
            let b = host::argument(op, "b", b)?;
            host::expect(op, "b", &b, &w.dims()[..1], &format!("w of shape {:?}", w.dims()))?;
            x.apply_op3(&w, &b, node)?
        }
    })
}
