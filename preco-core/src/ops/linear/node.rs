//! The linear layer as a node, over the same products as [`crate::nn::Linear`].

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::backend::cpu::Cpu;
use crate::backend::{Backend, Epilogue, Operand, View};
use crate::ops::{gelu, host};
use crate::simd::Level;

pub(super) struct LinearNode {
    cpu: Cpu,
    name: &'static str,
    gelu: bool,
    /// What the GELU was taken of; kept only where a backward pass may come.
    product: OnceLock<Vec<f32>>,
    keep: bool,
}

impl LinearNode {
    pub(super) fn new(level: Level, name: &'static str, gelu: bool, tracked: bool) -> Self {
        Self { cpu: Cpu::new(level), name, gelu, product: OnceLock::new(), keep: gelu && tracked }
    }

    fn forward(
        &self,
        x: (&CpuStorage, &Layout),
        w: (&CpuStorage, &Layout),
        b: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = w.1.shape().dims2()?;
        let rows = x.1.shape().elem_count() / inputs;
        let mut shape = x.1.dims().to_vec();
        shape.pop();
        shape.push(outputs);
        let (x, w) = (host::slice(x.0, x.1)?, host::slice(w.0, w.1)?);
        let b = b.map(|(storage, layout)| host::slice(storage, layout)).transpose()?;
        let mut product = vec![0.0; rows * outputs];
        let mut activation = vec![0.0; if self.gelu { product.len() } else { 0 }];
        let epilogue = Epilogue {
            bias: b.map(|b| View::new(b, 0..outputs)),
            gelu: self.gelu.then_some(&mut activation[..]),
            ..Epilogue::default()
        };
        let (x, w) = (Operand::plain(x, x.len()), Operand::transposed(w, w.len()));
        self.cpu.gemm([rows, outputs, inputs], x, w, &mut product, epilogue);
        if !self.gelu {
            return host::result(product, shape);
        }
        if self.keep && self.product.set(product).is_err() {
            candle_core::bail!("{}: a node runs forward once", self.name)
        }
        host::result(activation, shape)
    }

    fn backward(&self, x: &Tensor, w: &Tensor, b: Option<&Tensor>, dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (outputs, inputs) = w.dims2()?;
        let rows = x.elem_count() / inputs;
        let (mut dx, mut dw, mut db) = (host::buffer(x), host::buffer(w), b.map_or(Vec::new(), host::buffer));
        let dy = dy.contiguous()?;
        host::read([x, w, &dy], |[x_values, w_values, dy]| {
            let d_product;
            let mut d = dy;
            if let Some(product) = self.product.get() {
                d_product = {
                    let mut d = vec![0.0; dy.len()];
                    gelu::cpu::input_gradient(self.cpu.level(), product, dy, &mut d);
                    d
                };
                d = &d_product;
            }
            if x.track_op() {
                let (d, w) = (Operand::plain(d, d.len()), Operand::plain(w_values, w_values.len()));
                self.cpu.gemm([rows, inputs, outputs], d, w, &mut dx, Epilogue::default());
            }
            if w.track_op() {
                let (d, x) = (Operand::transposed(d, d.len()), Operand::plain(x_values, x_values.len()));
                self.cpu.gemm([outputs, inputs, rows], d, x, &mut dw, Epilogue::default());
            }
            if !db.is_empty() {
                self.cpu.add_column_sums(d, rows, outputs, &mut db, 0..outputs);
            }
        })?;
        let db = b.map(|b| host::finished(db, b)).transpose()?.flatten();
        Ok([host::finished(dx, x)?, host::finished(dw, w)?, db])
    }
}

impl CustomOp2 for LinearNode {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward((x, lx), (w, lw), None)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = self.backward(x, w, None, dy)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for LinearNode {
    fn name(&self) -> &'static str {
        self.name
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
