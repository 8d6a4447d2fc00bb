//! Linear maps without parameters as nodes: what moves or scales values, and its adjoint as the backward pass.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::host;

type Work = Box<dyn Fn(&[f32], &mut [f32]) + Send + Sync>;

/// A linear map and its adjoint; both write every element of their output, which is zero before.
pub(crate) struct LinearMap {
    name: &'static str,
    shape: Shape,
    forward: Work,
    adjoint: Work,
}

impl LinearMap {
    pub(crate) fn new(
        name: &'static str,
        shape: impl Into<Shape>,
        forward: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static,
        adjoint: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Self {
        Self { name, shape: shape.into(), forward: Box::new(forward), adjoint: Box::new(adjoint) }
    }
}

impl CustomOp1 for LinearMap {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = vec![0.0; self.shape.elem_count()];
        (self.forward)(host::slice(x, layout)?, &mut y);
        host::result(y, self.shape.clone())
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        if !x.track_op() {
            return Ok(None);
        }
        let mut dx = host::buffer(x);
        host::read([&dy.contiguous()?], |[dy]| (self.adjoint)(dy, &mut dx))?;
        host::finished(dx, x)
    }
}
