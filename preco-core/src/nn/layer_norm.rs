//! Layer norm as a module.

use std::ops::Range;

use super::params::{Init, Layout};
use crate::backend::{Backend, View};

/// A layer norm over `channels`; see [`crate::ops::layer_norm`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNorm {
    gamma: Range<usize>,
    beta: Range<usize>,
    channels: usize,
}

impl LayerNorm {
    /// Adds `name.weight` (1) and `name.bias` (0) to the layout.
    pub fn new(layout: &mut Layout, name: &str, channels: usize, depth: usize) -> Self {
        let gamma = layout.add(format!("{name}.weight"), &[channels], Init::Constant(1.0), false, depth);
        let beta = layout.add(format!("{name}.bias"), &[channels], Init::Constant(0.0), false, depth);
        Self { gamma, beta, channels }
    }

    /// Writes `y` and, for the backward pass, (mean, 1/deviation) of every row.
    ///
    /// # Shapes
    /// x and y `(rows, channels)`, statistics `(rows, 2)`.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        x: &B::Slice,
        rows: usize,
        y: &mut B::Slice,
        statistics: &mut B::Slice,
    ) {
        let (gamma, beta) = (View::new(parameters, self.gamma.clone()), View::new(parameters, self.beta.clone()));
        backend.layer_norm(x, rows, self.channels, gamma, beta, y, statistics);
    }

    /// Writes `dx`, or adds to it where `add`, and adds to the parameters' gradients.
    #[allow(clippy::too_many_arguments)]
    pub fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        x: &B::Slice,
        statistics: &B::Slice,
        dy: &B::Slice,
        rows: usize,
        dx: &mut B::Slice,
        add: bool,
        gradients: &mut B::Slice,
    ) {
        let gamma = View::new(parameters, self.gamma.clone());
        let into = [self.gamma.clone(), self.beta.clone()];
        backend.layer_norm_backward(x, statistics, dy, rows, self.channels, gamma, dx, add, gradients, into);
    }
}
