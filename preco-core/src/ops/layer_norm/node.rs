//! Layer norm as a node.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::cpu;
use crate::ops::host;
use crate::simd::Level;

pub(super) struct LayerNormNode {
    level: Level,
    /// (mean, 1/deviation) of every row.
    statistics: OnceLock<Vec<f32>>,
}

impl LayerNormNode {
    pub(super) fn new(level: Level) -> Self {
        Self { level, statistics: OnceLock::new() }
    }
}

impl CustomOp3 for LayerNormNode {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        gamma: &CpuStorage,
        lgamma: &Layout,
        beta: &CpuStorage,
        lbeta: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = host::slice(x, lx)?;
        let (gamma, beta) = (host::slice(gamma, lgamma)?, host::slice(beta, lbeta)?);
        let channels = gamma.len();
        let (mut y, mut statistics) = (vec![0.0; x.len()], vec![0.0; 2 * (x.len() / channels)]);
        cpu::forward(self.level, x, channels, gamma, beta, &mut y, &mut statistics);
        if self.statistics.set(statistics).is_err() {
            candle_core::bail!("layer_norm: a node runs forward once")
        }
        host::result(y, lx.shape())
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(statistics) = self.statistics.get() else { candle_core::bail!("layer_norm: backward before forward") };
        let (mut dx, mut dgamma, mut dbeta) = (host::buffer(x), host::buffer(gamma), host::buffer(beta));
        let channels = gamma.elem_count();
        host::read([x, gamma, &dy.contiguous()?], |[x, gamma, dy]| {
            cpu::backward(self.level, x, statistics, dy, channels, gamma, &mut dx, false, &mut dgamma, &mut dbeta);
        })?;
        Ok((host::finished(dx, x)?, host::finished(dgamma, gamma)?, host::finished(dbeta, beta)?))
    }
}
