//! `y = x Wᵀ + b`, with what follows it folded into the product.

use std::ops::Range;

use super::params::{Init, Layout};
use crate::backend::{Backend, Epilogue, Operand, View};

/// A linear layer: weight `(outputs, inputs)` and perhaps a bias `(outputs)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    weight: Range<usize>,
    bias: Option<Range<usize>>,
    inputs: usize,
    outputs: usize,
}

/// What [`Linear::forward`] does beside the product.
pub struct Outputs<'a, B: Backend + ?Sized> {
    /// One factor per group of rows, and the rows of a group.
    pub scale: Option<(&'a B::Slice, usize)>,
    /// Added after the scale.
    pub residual: Option<&'a B::Slice>,
    /// Receives the GELU of the result.
    pub gelu: Option<&'a mut B::Slice>,
}

impl<B: Backend + ?Sized> Default for Outputs<'_, B> {
    fn default() -> Self {
        Self { scale: None, residual: None, gelu: None }
    }
}

impl Linear {
    /// Adds `name.weight` (σ = 0.02) and, where `bias`, `name.bias` (0) to the layout.
    pub fn new(layout: &mut Layout, name: &str, inputs: usize, outputs: usize, bias: bool, depth: usize) -> Self {
        let weight = layout.add(format!("{name}.weight"), &[outputs, inputs], Init::Normal(0.02), true, depth);
        let bias = bias.then(|| layout.add(format!("{name}.bias"), &[outputs], Init::Constant(0.0), false, depth));
        Self { weight, bias, inputs, outputs }
    }

    /// A convolution whose kernel is its stride, over rows of patches: weight `(outputs, channels, side, side)`, both
    /// parameters uniform in ±1/√fan_in as PyTorch leaves convolutions.
    pub fn convolution(
        layout: &mut Layout,
        name: &str,
        channels: usize,
        side: usize,
        outputs: usize,
        depth: usize,
    ) -> Self {
        let inputs = channels * side * side;
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        let weight = layout.add(format!("{name}.weight"), &[outputs, channels, side, side], init, true, depth);
        let bias = layout.add(format!("{name}.bias"), &[outputs], init, false, depth);
        Self { weight, bias: Some(bias), inputs, outputs }
    }

    /// Columns of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns of the output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The bias's part of the parameters; empty where there is none.
    pub fn bias(&self) -> Range<usize> {
        self.bias.clone().unwrap_or(0..0)
    }

    /// `y = scale (x Wᵀ + b) + residual`, and `gelu(y)` beside it.
    ///
    /// # Shapes
    /// x `(rows, inputs)`, y, residual and gelu `(rows, outputs)`.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        x: &B::Slice,
        rows: usize,
        y: &mut B::Slice,
        outputs: Outputs<B>,
    ) {
        let epilogue = Epilogue {
            bias: self.bias.clone().map(|bias| View::new(parameters, bias)),
            scale: outputs.scale,
            residual: outputs.residual,
            gelu: outputs.gelu,
        };
        let weight = Operand::part_transposed(parameters, self.weight.clone());
        backend.gemm([rows, self.outputs, self.inputs], Operand::plain(x, rows * self.inputs), weight, y, epilogue);
    }

    /// `dx = dy W`.
    pub fn input_gradient<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        dy: &B::Slice,
        rows: usize,
        dx: &mut B::Slice,
    ) {
        let weight = Operand::part(parameters, self.weight.clone());
        let dy = Operand::plain(dy, rows * self.outputs);
        backend.gemm([rows, self.inputs, self.outputs], dy, weight, dx, Epilogue::default());
    }

    /// `dW += dyᵀ x`.
    pub fn weight_gradient<B: Backend>(
        &self,
        backend: &B,
        x: &B::Slice,
        dy: &B::Slice,
        rows: usize,
        gradients: &mut B::Slice,
    ) {
        let dy = Operand::transposed(dy, rows * self.outputs);
        let x = Operand::plain(x, rows * self.inputs);
        backend.gemm_accumulate([self.outputs, self.inputs, rows], dy, x, gradients, self.weight.clone());
    }

    /// `dW += dyᵀ x`, `db += Σ dy`.
    pub fn parameter_gradient<B: Backend>(
        &self,
        backend: &B,
        x: &B::Slice,
        dy: &B::Slice,
        rows: usize,
        gradients: &mut B::Slice,
    ) {
        self.weight_gradient(backend, x, dy, rows, gradients);
        if let Some(bias) = self.bias.clone() {
            backend.add_column_sums(dy, rows, self.outputs, gradients, bias);
        }
    }
}
