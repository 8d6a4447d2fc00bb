//! A Swin block: `x₂ = x + attention(norm(x))`, `y = x₂ + mlp(norm(x₂))`.

use std::ops::Range;

use crate::backend::{Backend, View};
use crate::nn::params::{Init, Layout};
use crate::nn::{LayerNorm, Linear, Outputs};
use crate::ops::window_attention::WindowGeometry;

/// One block's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    norm1: LayerNorm,
    table: Range<usize>,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    channels: usize,
}

/// What a block keeps for its backward pass: 10 C floats a token, of which only `x` under [`super::Keep::Inputs`].
pub(crate) struct BlockTape<B: Backend> {
    pub(crate) x: B::Buffer,
    pub(crate) activations: Activations<B>,
    /// Factors of the two branches under drop-path.
    pub(crate) scales: [Option<B::Buffer>; 2],
}

/// A block's intermediate results.
pub(crate) struct Activations<B: Backend> {
    statistics1: B::Buffer,
    qkv: B::Buffer,
    attended: B::Buffer,
    x2: B::Buffer,
    statistics2: B::Buffer,
    hidden: B::Buffer,
}

/// Buffers that every block uses and none keeps.
pub(crate) struct Scratch<B: Backend> {
    pub(crate) normed: B::Buffer,
    pub(crate) wide: B::Buffer,
    pub(crate) d_wide: B::Buffer,
    pub(crate) d_normed: B::Buffer,
    pub(crate) d_scaled: B::Buffer,
    pub(crate) statistics: B::Buffer,
}

impl<B: Backend> Activations<B> {
    pub(crate) fn new(backend: &B) -> Self {
        let (empty, statistics) = (|| backend.activations(), || backend.zeros(0));
        Self {
            statistics1: statistics(),
            qkv: empty(),
            attended: empty(),
            x2: empty(),
            statistics2: statistics(),
            hidden: empty(),
        }
    }
}

impl<B: Backend> BlockTape<B> {
    pub(crate) fn new(backend: &B) -> Self {
        Self { x: backend.activations(), activations: Activations::new(backend), scales: [None, None] }
    }
}

impl<B: Backend> Scratch<B> {
    pub(crate) fn new(backend: &B) -> Self {
        let empty = || backend.activations();
        Self {
            normed: empty(),
            wide: empty(),
            d_wide: empty(),
            d_normed: empty(),
            d_scaled: empty(),
            statistics: backend.zeros(0),
        }
    }
}

/// A batch of maps that a block works on.
#[derive(Clone, Copy)]
pub(crate) struct Maps<'a> {
    pub(crate) geometry: &'a WindowGeometry,
    pub(crate) images: usize,
}

impl Block {
    pub(crate) fn new(
        layout: &mut Layout,
        name: &str,
        channels: usize,
        heads: usize,
        window: [usize; 2],
        hidden: usize,
        depth: usize,
    ) -> Self {
        let norm1 = LayerNorm::new(layout, &format!("{name}.norm1"), channels, depth);
        let rows = (2 * window[0] - 1) * (2 * window[1] - 1);
        let table_name = format!("{name}.attn.relative_position_bias_table");
        let table = layout.add(table_name, &[rows, heads], Init::Normal(0.02), false, depth);
        Self {
            norm1,
            table,
            qkv: Linear::new(layout, &format!("{name}.attn.qkv"), channels, 3 * channels, true, depth),
            proj: Linear::new(layout, &format!("{name}.attn.proj"), channels, channels, true, depth),
            norm2: LayerNorm::new(layout, &format!("{name}.norm2"), channels, depth),
            fc1: Linear::new(layout, &format!("{name}.mlp.fc1"), channels, hidden, true, depth),
            fc2: Linear::new(layout, &format!("{name}.mlp.fc2"), hidden, channels, true, depth),
            channels,
        }
    }

    /// Writes `y`; without it (recomputation for the backward pass) stops before the last product.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        maps: Maps,
        x: &B::Slice,
        scales: &[Option<B::Buffer>; 2],
        kept: &mut Activations<B>,
        y: Option<&mut B::Slice>,
        scratch: &mut Scratch<B>,
    ) {
        let tokens = maps.geometry.tokens;
        let rows = maps.images * tokens;
        let (c, hidden) = (self.channels, self.fc1.outputs());
        backend.reserve(&mut scratch.normed, rows * c);
        backend.reserve(&mut scratch.wide, rows * hidden);
        backend.reserve(&mut kept.statistics1, 2 * rows);
        backend.reserve(&mut kept.statistics2, 2 * rows);
        backend.reserve(&mut kept.qkv, rows * 3 * c);
        backend.reserve(&mut kept.attended, rows * c);
        backend.reserve(&mut kept.x2, rows * c);
        backend.reserve(&mut kept.hidden, rows * hidden);

        self.norm1.forward(backend, parameters, x, rows, &mut scratch.normed, &mut kept.statistics1);
        self.qkv.forward(backend, parameters, &scratch.normed, rows, &mut kept.qkv, Outputs::default());
        let pad = View::new(parameters, self.qkv.bias());
        let table = View::new(parameters, self.table.clone());
        backend.window_attention(maps.geometry, maps.images, &kept.qkv, pad, table, &mut kept.attended);
        let scale = |branch: usize| scales[branch].as_ref().map(|scale| (&**scale, tokens));
        let onto_x = Outputs { scale: scale(0), residual: Some(x), gelu: None };
        self.proj.forward(backend, parameters, &kept.attended, rows, &mut kept.x2, onto_x);
        self.norm2.forward(backend, parameters, &kept.x2, rows, &mut scratch.normed, &mut kept.statistics2);
        let with_gelu = Outputs { gelu: Some(&mut *scratch.wide), ..Outputs::default() };
        self.fc1.forward(backend, parameters, &scratch.normed, rows, &mut kept.hidden, with_gelu);
        if let Some(y) = y {
            let onto_x2 = Outputs { scale: scale(1), residual: Some(&*kept.x2), gelu: None };
            self.fc2.forward(backend, parameters, &scratch.wide, rows, y, onto_x2);
        }
    }

    /// `d` holds dy on entry and dx on return.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        maps: Maps,
        x: &B::Slice,
        scales: &[Option<B::Buffer>; 2],
        kept: &Activations<B>,
        d: &mut B::Buffer,
        scratch: &mut Scratch<B>,
    ) {
        let tokens = maps.geometry.tokens;
        let rows = maps.images * tokens;
        let (c, hidden) = (self.channels, self.fc1.outputs());
        backend.reserve(&mut scratch.normed, rows * c);
        backend.reserve(&mut scratch.wide, rows * hidden);
        backend.reserve(&mut scratch.d_wide, rows * hidden.max(3 * c));
        backend.reserve(&mut scratch.d_normed, rows * c);
        backend.reserve(&mut scratch.statistics, 2 * rows);
        let Scratch { normed, wide, d_wide, d_normed, d_scaled, statistics } = scratch;

        // The MLP's branch. What reaches a dropped branch is scaled as its output was.
        let d_branch = scaled(backend, d, &scales[1], tokens * c, rows * c, d_scaled);
        self.fc2.input_gradient(backend, parameters, d_branch, rows, d_wide);
        backend.gelu_backward(&kept.hidden, d_wide, wide, rows, hidden, gradients, self.fc1.bias());
        self.fc2.parameter_gradient(backend, wide, d_branch, rows, gradients);
        self.fc1.input_gradient(backend, parameters, d_wide, rows, d_normed);
        self.norm2.forward(backend, parameters, &kept.x2, rows, normed, statistics);
        self.fc1.weight_gradient(backend, normed, d_wide, rows, gradients);
        self.norm2.backward(backend, parameters, &kept.x2, &kept.statistics2, d_normed, rows, d, true, gradients);

        // The attention's branch.
        let d_branch = scaled(backend, d, &scales[0], tokens * c, rows * c, d_scaled);
        self.proj.input_gradient(backend, parameters, d_branch, rows, d_normed);
        self.proj.parameter_gradient(backend, &kept.attended, d_branch, rows, gradients);
        let pad = View::new(parameters, self.qkv.bias());
        let table = View::new(parameters, self.table.clone());
        let into = [self.qkv.bias(), self.table.clone()];
        let (geometry, images) = (maps.geometry, maps.images);
        backend.window_attention_backward(geometry, images, &kept.qkv, pad, table, d_normed, d_wide, gradients, into);
        self.qkv.input_gradient(backend, parameters, d_wide, rows, d_normed);
        self.norm1.forward(backend, parameters, x, rows, normed, statistics);
        self.qkv.parameter_gradient(backend, normed, d_wide, rows, gradients);
        self.norm1.backward(backend, parameters, x, &kept.statistics1, d_normed, rows, d, true, gradients);
    }
}

/// `d` times the branch's factors, in `buffer`; `d` itself where nothing is dropped.
fn scaled<'a, B: Backend>(
    backend: &B,
    d: &'a B::Buffer,
    scale: &Option<B::Buffer>,
    group: usize,
    len: usize,
    buffer: &'a mut B::Buffer,
) -> &'a B::Slice {
    match scale {
        None => d,
        Some(scale) => {
            backend.reserve(buffer, len);
            backend.scale_groups(d, scale, group, len, buffer);
            buffer
        }
    }
}
