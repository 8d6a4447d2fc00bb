//! GELU with the error function, `x Φ(x)`; the tanh form would change logits by 40 times the golden tolerance.
//!
//! Shapes: any. f32 with an absolute error below 1e-6.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Tensor};

use super::host;
use crate::error::Result;
use crate::simd::Level;

/// `x Φ(x)`, element by element.
///
/// # Shapes
/// Any; the same out.
///
/// # Errors
/// [`crate::error::Error::Config`] where x is not f32 on the CPU.
pub fn gelu(level: Level, x: &Tensor) -> Result<Tensor> {
    Ok(host::argument("gelu", "x", x)?.apply_op1(GeluNode(level))?)
}

struct GeluNode(Level);

impl CustomOp1 for GeluNode {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let x = host::slice(x, layout)?;
        let mut y = vec![0.0; x.len()];
        cpu::forward(self.0, x, &mut y);
        host::result(y, layout.shape())
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        let mut dx = host::buffer(x);
        host::read([x, &dy.contiguous()?], |[x, dy]| cpu::input_gradient(self.0, x, dy, &mut dx))?;
        host::finished(dx, x)
    }
}
