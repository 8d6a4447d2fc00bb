//! Window attention as a node.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{WindowGeometry, cpu};
use crate::ops::host;
use crate::simd::Level;

pub(super) struct WindowAttentionNode {
    pub(super) level: Level,
    pub(super) geometry: WindowGeometry,
}

impl WindowAttentionNode {
    fn images(&self, qkv: usize) -> usize {
        qkv / (self.geometry.tokens * 3 * self.geometry.channels)
    }
}

impl CustomOp3 for WindowAttentionNode {
    fn name(&self) -> &'static str {
        "window_attention"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        layout: &Layout,
        pad: &CpuStorage,
        pad_layout: &Layout,
        table: &CpuStorage,
        table_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut shape = layout.dims().to_vec();
        shape.pop();
        shape.push(self.geometry.channels);
        let qkv = host::slice(qkv, layout)?;
        let (pad, table) = (host::slice(pad, pad_layout)?, host::slice(table, table_layout)?);
        let mut out = vec![0.0; qkv.len() / 3];
        cpu::forward(self.level, &self.geometry, self.images(qkv.len()), qkv, pad, table, &mut out);
        host::result(out, shape)
    }

    fn bwd(
        &self,
        qkv: &Tensor,
        pad: &Tensor,
        table: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        // The three gradients come from the same products: all are computed, what nobody asked for is dropped.
        let [mut dqkv, mut dpad, mut dtable] = [qkv, pad, table].map(|x| vec![0.0; x.elem_count()]);
        let images = self.images(dqkv.len());
        host::read([qkv, pad, table, &dout.contiguous()?], |[qkv, pad, table, dout]| {
            let (level, geometry) = (self.level, &self.geometry);
            cpu::backward(level, geometry, images, qkv, pad, table, dout, &mut dqkv, &mut dpad, &mut dtable);
        })?;
        Ok((host::finished(dqkv, qkv)?, host::finished(dpad, pad)?, host::finished(dtable, table)?))
    }
}
