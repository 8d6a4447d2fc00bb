//! Softmax over the last dimension: `y_j = e^(x_j − max x) / Σ_k e^(x_k − max x)`.
//!
//! Shapes: `(rows, columns)` in and out. f32; the largest value is taken away first, so equal rows of any size (−100 under
//! an attention mask, say) give equal shares. A NaN spreads over its row. Window attention has a softmax of its own, fused.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Tensor};

use super::host;
use crate::error::Result;
use crate::simd::Level;

/// Softmax over the last dimension.
///
/// # Shapes
/// `(…, columns)`; the same out.
///
/// # Errors
/// [`crate::error::Error::Config`] where x is not f32 on the CPU, or its last dimension is empty.
pub fn softmax_last(level: Level, x: &Tensor) -> Result<Tensor> {
    let x = host::argument("softmax_last", "x", x)?;
    let columns = host::width("softmax_last", "x", &x)?;
    Ok(x.apply_op1(SoftmaxNode { level, columns })?)
}

struct SoftmaxNode {
    level: Level,
    columns: usize,
}

impl CustomOp1 for SoftmaxNode {
    fn name(&self) -> &'static str {
        "softmax_last"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let x = host::slice(x, layout)?;
        let mut y = vec![0.0; x.len()];
        cpu::forward(self.level, x, self.columns, &mut y);
        host::result(y, layout.shape())
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        let mut dx = host::buffer(x);
        host::read([y, &dy.contiguous()?], |[y, dy]| cpu::backward(self.level, y, dy, self.columns, &mut dx))?;
        host::finished(dx, x)
    }
}
