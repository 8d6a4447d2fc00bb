//! Layer norm over the last dimension: `y = γ (x − μ) / √(σ² + ε) + β`.
//!
//! Shapes: `(rows, channels)` in and out; γ and β `(channels)`. Mean and variance are taken in two passes, since the
//! difference of large sums would lose rows of small variance. f32 throughout.

pub(crate) mod cpu;
mod node;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::host;
use crate::error::Result;
use crate::simd::Level;

/// ε: Swin's. An ε of 1e-6 would change rows whose deviation is near 3e-3 by more than half.
pub const EPSILON: f32 = 1e-5;

/// Layer norm over the last dimension, with [`EPSILON`].
///
/// # Shapes
/// x `(…, channels)`, gamma and beta `(channels)`; x's shape out.
///
/// # Errors
/// [`crate::error::Error::Config`] where an argument is not f32 on the CPU or the shapes do not fit.
pub fn layer_norm(level: Level, x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    const OP: &str = "layer_norm";
    let x = host::argument(OP, "x", x)?;
    let (gamma, beta) = (host::argument(OP, "gamma", gamma)?, host::argument(OP, "beta", beta)?);
    let channels = host::width(OP, "x", &x)?;
    for (name, parameter) in [("gamma", &gamma), ("beta", &beta)] {
        host::expect(OP, name, parameter, &[channels], &format!("x of shape {:?}", x.dims()))?;
    }
    Ok(x.apply_op3(&gamma, &beta, node::LayerNormNode::new(level))?)
}
