//! The pointwise convolution as a node: per image `Y = W X + b`, with channels as rows, so that nothing is transposed.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::backend::cpu::Cpu;
use crate::backend::{Backend, Epilogue, Operand};
use crate::ops::host;
use crate::simd::Level;

pub(super) struct PointwiseNode {
    cpu: Cpu,
}

impl PointwiseNode {
    pub(super) fn new(level: Level) -> Self {
        Self { cpu: Cpu::new(level) }
    }

    fn forward(
        &self,
        x: (&CpuStorage, &Layout),
        w: (&CpuStorage, &Layout),
        b: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let ((count, inputs, height, width), outputs) = (x.1.shape().dims4()?, w.1.dims()[0]);
        let pixels = height * width;
        let (x, w) = (host::slice(x.0, x.1)?, host::slice(w.0, w.1)?);
        let b = b.map(|(storage, layout)| host::slice(storage, layout)).transpose()?;
        let mut y = vec![0.0; count * outputs * pixels];
        for image in 0..count {
            let x = Operand::part(x, image * inputs * pixels..(image + 1) * inputs * pixels);
            let into = image * outputs * pixels..(image + 1) * outputs * pixels;
            if let Some(b) = b
                && pixels > 0
            {
                for (row, b) in y[into.clone()].chunks_exact_mut(pixels).zip(b) {
                    row.fill(*b);
                }
            }
            self.cpu.gemm_accumulate([outputs, pixels, inputs], Operand::plain(w, w.len()), x, &mut y, into);
        }
        host::result(y, (count, outputs, height, width))
    }

    fn backward(&self, x: &Tensor, w: &Tensor, b: Option<&Tensor>, dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let ((count, inputs, height, width), outputs) = (x.dims4()?, w.dims()[0]);
        let pixels = height * width;
        let (mut dx, mut dw, mut db) = (host::buffer(x), host::buffer(w), b.map_or(Vec::new(), host::buffer));
        host::read([x, w, &dy.contiguous()?], |[x_values, w_values, dy]| {
            for image in 0..count {
                let (of_x, of_y) = (image * inputs * pixels, image * outputs * pixels);
                let (of_x, of_y) = (of_x..of_x + inputs * pixels, of_y..of_y + outputs * pixels);
                let d = || Operand::part(dy, of_y.clone());
                if x.track_op() {
                    let (w, to) = (Operand::transposed(w_values, w_values.len()), &mut dx[of_x.clone()]);
                    self.cpu.gemm([inputs, pixels, outputs], w, d(), to, Epilogue::default());
                }
                if w.track_op() {
                    let (x, len) = (Operand::part_transposed(x_values, of_x), dw.len());
                    self.cpu.gemm_accumulate([outputs, inputs, pixels], d(), x, &mut dw, 0..len);
                }
                if pixels > 0 {
                    for (db, row) in db.iter_mut().zip(dy[of_y.clone()].chunks_exact(pixels)) {
                        *db += row.iter().sum::<f32>();
                    }
                }
            }
        })?;
        let db = b.map(|b| host::finished(db, b)).transpose()?.flatten();
        Ok([host::finished(dx, x)?, host::finished(dw, w)?, db])
    }
}

impl CustomOp2 for PointwiseNode {
    fn name(&self) -> &'static str {
        "pointwise_convolution"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward((x, lx), (w, lw), None)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = self.backward(x, w, None, dy)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for PointwiseNode {
    fn name(&self) -> &'static str {
        "pointwise_convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward((x, lx), (w, lw), Some((b, lb)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, db] = self.backward(x, w, Some(b), dy)?;
        Ok((dx, dw, db))
    }
}
