//! The CPU: kernels by SIMD level, shared between rayon's threads.

mod gemm;
pub(crate) mod parallel;

use std::borrow::Cow;
use std::ops::Range;

use super::{Backend, Epilogue, Operand, View};
use crate::ops::{
    gelu, layer_norm, mask_token,
    merge_patches::{self, MergeGeometry},
    patchify::{self, PatchGeometry},
    softmax,
    window_attention::{self, WindowGeometry},
};
use crate::preco::objective::{Batch, Objective, Terms};
use crate::simd::Level;
use crate::update::{self, AdamWGroup};

/// The CPU at one SIMD level. Uses the rayon pool that the caller runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    level: Level,
}

impl Cpu {
    /// The CPU with the instructions of `level`.
    pub const fn new(level: Level) -> Self {
        Self { level }
    }

    /// The CPU at its best.
    pub fn detect() -> Self {
        Self::new(Level::detect())
    }

    /// The instructions in use.
    pub fn level(&self) -> Level {
        self.level
    }
}

fn part<'a>(view: &View<'a, Cpu>) -> &'a [f32] {
    &view.slice[view.range.clone()]
}

/// An operand of `rows` x `columns` after transposition, if any.
fn matrix<'a>(operand: &Operand<'a, Cpu>, rows: usize, columns: usize) -> gemm::Matrix<'a> {
    let data = part(&operand.view);
    if operand.transposed {
        gemm::Matrix { data, row: 1, column: rows }
    } else {
        gemm::Matrix { data, row: columns, column: 1 }
    }
}

/// Two disjoint parts of a buffer, in their order.
fn two(buffer: &mut [f32], [first, second]: [Range<usize>; 2]) -> (&mut [f32], &mut [f32]) {
    if first.start <= second.start {
        let (head, tail) = buffer.split_at_mut(second.start);
        (&mut head[first], &mut tail[..second.len()])
    } else {
        let (head, tail) = buffer.split_at_mut(first.start);
        (&mut tail[..first.len()], &mut head[second])
    }
}

impl Backend for Cpu {
    type Slice = [f32];
    type Buffer = Vec<f32>;

    fn zeros(&self, len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    fn activations(&self) -> Vec<f32> {
        Vec::new()
    }

    fn parameters(&self, values: &[f32]) -> Vec<f32> {
        values.to_vec()
    }

    fn arithmetic(&self) -> String {
        format!("cpu ({}), f32", self.level)
    }

    fn reserve(&self, buffer: &mut Vec<f32>, len: usize) {
        if buffer.len() < len {
            *buffer = vec![0.0; len];
        }
    }

    fn upload(&self, values: &[f32], to: &mut [f32]) {
        to[..values.len()].copy_from_slice(values);
    }

    fn download(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(&from[..to.len()]);
    }

    fn values<'a>(&self, from: &'a [f32], len: usize) -> Cow<'a, [f32]> {
        from[..len].into()
    }

    fn copy(&self, from: &[f32], to: &mut [f32], len: usize) {
        to[..len].copy_from_slice(&from[..len]);
    }

    fn fill(&self, to: &mut [f32], value: f32, len: usize) {
        to[..len].fill(value);
    }

    fn add(&self, from: &[f32], to: &mut [f32], len: usize) {
        for (to, from) in to[..len].iter_mut().zip(&from[..len]) {
            *to += from;
        }
    }

    fn mean_rows(&self, x: &[f32], groups: usize, group: usize, channels: usize, mean: &mut [f32]) {
        let rows = x[..groups * group * channels].chunks_exact(group * channels);
        for (mean, rows) in mean[..groups * channels].chunks_exact_mut(channels).zip(rows) {
            mean.fill(0.0);
            for row in rows.chunks_exact(channels) {
                for (mean, x) in mean.iter_mut().zip(row) {
                    *mean += x;
                }
            }
            for mean in mean {
                *mean /= group as f32;
            }
        }
    }

    fn spread_rows(&self, d: &[f32], groups: usize, group: usize, channels: usize, dx: &mut [f32]) {
        let rows = dx[..groups * group * channels].chunks_exact_mut(group * channels);
        for (d, rows) in d[..groups * channels].chunks_exact(channels).zip(rows) {
            for row in rows.chunks_exact_mut(channels) {
                for (dx, d) in row.iter_mut().zip(d) {
                    *dx = d / group as f32;
                }
            }
        }
    }

    fn gemm(&self, shape: [usize; 3], a: Operand<Self>, b: Operand<Self>, c: &mut [f32], epilogue: Epilogue<Self>) {
        let [m, n, k] = shape;
        let finish = gemm::Finish {
            accumulate: false,
            bias: epilogue.bias.as_ref().map(part),
            scale: epilogue.scale,
            residual: epilogue.residual,
            gelu: epilogue.gelu,
        };
        gemm::gemm(self.level, shape, matrix(&a, m, k), matrix(&b, k, n), c, finish);
    }

    fn gemm_accumulate(
        &self,
        shape: [usize; 3],
        a: Operand<Self>,
        b: Operand<Self>,
        c: &mut [f32],
        into: Range<usize>,
    ) {
        let [m, n, k] = shape;
        let finish = gemm::Finish { accumulate: true, ..gemm::Finish::default() };
        gemm::gemm(self.level, shape, matrix(&a, m, k), matrix(&b, k, n), &mut c[into], finish);
    }

    fn add_column_sums(&self, x: &[f32], rows: usize, columns: usize, sums: &mut [f32], into: Range<usize>) {
        let x = &x[..rows * columns];
        parallel::reduce_rows(rows, columns, &mut sums[into], |range, sums| {
            for row in x[range.start * columns..range.end * columns].chunks_exact(columns) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        });
    }

    fn scale_groups(&self, from: &[f32], scale: &[f32], group: usize, len: usize, to: &mut [f32]) {
        for ((to, from), scale) in to[..len].chunks_mut(group).zip(from[..len].chunks(group)).zip(scale) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = scale * from;
            }
        }
    }

    fn layer_norm(
        &self,
        x: &[f32],
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        beta: View<Self>,
        y: &mut [f32],
        statistics: &mut [f32],
    ) {
        layer_norm::cpu::forward(self.level, &x[..rows * channels], channels, part(&gamma), part(&beta), y, statistics);
    }

    fn layer_norm_backward(
        &self,
        x: &[f32],
        statistics: &[f32],
        dy: &[f32],
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        dx: &mut [f32],
        add_to_dx: bool,
        gradients: &mut [f32],
        into: [Range<usize>; 2],
    ) {
        let (dgamma, dbeta) = two(gradients, into);
        let x = &x[..rows * channels];
        layer_norm::cpu::backward(self.level, x, statistics, dy, channels, part(&gamma), dx, add_to_dx, dgamma, dbeta);
    }

    fn gelu_backward(
        &self,
        u: &[f32],
        d: &mut [f32],
        activation: &mut [f32],
        rows: usize,
        columns: usize,
        gradients: &mut [f32],
        into: Range<usize>,
    ) {
        gelu::cpu::backward(self.level, &u[..rows * columns], d, activation, columns, &mut gradients[into]);
    }

    fn window_attention(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &[f32],
        pad: View<Self>,
        table: View<Self>,
        out: &mut [f32],
    ) {
        window_attention::cpu::forward(self.level, geometry, images, qkv, part(&pad), part(&table), out);
    }

    fn window_attention_backward(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &[f32],
        pad: View<Self>,
        table: View<Self>,
        dout: &[f32],
        dqkv: &mut [f32],
        gradients: &mut [f32],
        into: [Range<usize>; 2],
    ) {
        let (dpad, dtable) = two(gradients, into);
        let (pad, table) = (part(&pad), part(&table));
        window_attention::cpu::backward(self.level, geometry, images, qkv, pad, table, dout, dqkv, dpad, dtable);
    }

    fn softmax(&self, x: &[f32], rows: usize, columns: usize, y: &mut [f32]) {
        softmax::cpu::forward(self.level, &x[..rows * columns], columns, y);
    }

    fn softmax_backward(&self, y: &[f32], dy: &[f32], rows: usize, columns: usize, dx: &mut [f32]) {
        softmax::cpu::backward(self.level, &y[..rows * columns], dy, columns, dx);
    }

    fn patchify(&self, geometry: &PatchGeometry, images: usize, from: &[f32], to: &mut [f32]) {
        patchify::cpu::patchify(geometry, images, from, to);
    }

    fn unpatchify(&self, geometry: &PatchGeometry, images: usize, from: &[f32], to: &mut [f32]) {
        patchify::cpu::unpatchify(geometry, images, from, to);
    }

    fn merge_patches(&self, geometry: &MergeGeometry, images: usize, from: &[f32], to: &mut [f32]) {
        merge_patches::cpu::merge(geometry, images, from, to);
    }

    fn split_patches(&self, geometry: &MergeGeometry, images: usize, from: &[f32], to: &mut [f32]) {
        merge_patches::cpu::split(geometry, images, from, to);
    }

    fn mix_mask_token(&self, x: &mut [f32], mask: &[f32], rows: usize, channels: usize, token: View<Self>) {
        mask_token::cpu::forward(&mut x[..rows * channels], &mask[..rows], channels, part(&token));
    }

    fn duplicate_front(&self, buffer: &mut [f32], len: usize) {
        buffer.copy_within(..len, len);
    }

    fn fold_back(&self, buffer: &mut [f32], len: usize) {
        let (front, back) = buffer.split_at_mut(len);
        self.add(&back[..len], front, len);
    }

    fn preco_objective(
        &self,
        objective: &Objective,
        squares: usize,
        len: usize,
        predictions: &[f32],
        target: &[f32],
        mask: &[f32],
        gradient: &mut [f32],
    ) -> Terms {
        let batch = Batch {
            predictions: &predictions[..len],
            target: &target[..len / objective.branches()],
            mask: &mask[..len / objective.branches() / 3],
            squares,
        };
        objective.evaluate(batch, &mut gradient[..len])
    }

    fn mix_mask_token_backward(
        &self,
        d: &mut [f32],
        mask: &[f32],
        rows: usize,
        channels: usize,
        gradients: &mut [f32],
        into: Range<usize>,
    ) {
        mask_token::cpu::backward(&mut d[..rows * channels], &mask[..rows], channels, &mut gradients[into]);
    }

    fn adamw(&self, groups: &[AdamWGroup], params: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
        update::cpu::adamw(groups, params, grads, m, v);
    }

    fn sum_squares(&self, values: &[f32], ranges: &[Range<usize>]) -> f64 {
        update::cpu::sum_squares(values, ranges)
    }

    fn move_average(&self, average: &mut [f32], parameters: &[f32], share: f32) {
        update::cpu::move_average(average, parameters, share);
    }
}
