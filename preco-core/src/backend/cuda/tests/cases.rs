//! One call of each operation, over sizes that meet every kernel: vectors and odd lengths, padding, tensor cores.

use super::super::Precision;
use crate::backbones::swin::EdgePolicy;
use crate::backend::{Backend, Epilogue, Operand, View};
use crate::ops::merge_patches::MergeGeometry;
use crate::ops::patchify::PatchGeometry;
use crate::ops::window_attention::WindowGeometry;
use crate::preco::objective::Objective;
use crate::preco::{Distance, Lambdas, Method, PrecoConfig, PromptRegion};
use crate::rng::Stream;
use crate::update::{AdamWFactors, AdamWGroup};

/// What inputs are drawn from: on a GPU another in each process, under the emulator the same in all.
pub(super) fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| {
        use std::hash::{BuildHasher, RandomState};
        if cfg!(feature = "cuda-emulator") { 1 } else { RandomState::new().hash_one(()) }
    })
}

/// A call and its sizes.
#[derive(Clone, Debug)]
pub(super) enum Case {
    /// Fill, add, copy, factors of groups, both halves of a buffer.
    Elementwise { len: usize },
    /// Means of groups of rows and back.
    Means { groups: usize, group: usize, channels: usize },
    /// A product with everything that may follow it, and with nothing; and the sum into a gradient.
    Product { shape: [usize; 3] },
    /// Sums of columns.
    Columns { rows: usize, columns: usize },
    /// Forward and backward.
    LayerNorm { rows: usize, channels: usize },
    /// Backward; forward is a product's.
    Gelu { rows: usize, columns: usize },
    /// Forward and backward.
    Softmax { rows: usize, columns: usize },
    /// Forward and backward.
    MaskToken { rows: usize, channels: usize },
    /// There and back.
    Patches { size: [usize; 2], patch: usize },
    /// There and back.
    Merge { grid: [usize; 2], channels: usize },
    /// Forward and backward.
    Attention { grid: [usize; 2], window: [usize; 2], policy: EdgePolicy, heads: usize, width: usize },
    /// Terms and gradient.
    Objective { reconstruction: Distance, consistency: Distance, region: PromptRegion, stop: bool, method: Method },
    /// Three updates, the norm and the average.
    Update,
}

impl Case {
    pub(super) fn all() -> Vec<Self> {
        use EdgePolicy::{PadThenRoll, Timm};
        let attention = |grid, window, policy, heads, width| Self::Attention { grid, window, policy, heads, width };
        let objective = |reconstruction, consistency, region, stop| Self::Objective {
            reconstruction,
            consistency,
            region,
            stop,
            method: Method::Preco,
        };
        let (masked, everywhere) = (PromptRegion::Masked, PromptRegion::All);
        let mut all = vec![
            Self::Elementwise { len: 1 },
            Self::Elementwise { len: 1003 },
            // More than a grid has threads, on a device as under the emulator.
            Self::Elementwise { len: if cfg!(feature = "cuda-emulator") { 3001 } else { 3_000_001 } },
            Self::Means { groups: 3, group: 7, channels: 33 },
            Self::Product { shape: [7, 12, 5] },
            Self::Product { shape: [6, 9, 4] },
            Self::Columns { rows: 300, columns: 8 },
            Self::Columns { rows: 5, columns: 67 },
            Self::LayerNorm { rows: 9, channels: 32 },
            Self::LayerNorm { rows: 130, channels: 200 },
            Self::LayerNorm { rows: 3, channels: 7 },
            Self::Gelu { rows: 70, columns: 24 },
            Self::Gelu { rows: 4, columns: 5 },
            Self::Softmax { rows: 9, columns: 70 },
            Self::Softmax { rows: 2, columns: 1 },
            Self::MaskToken { rows: 70, channels: 16 },
            Self::MaskToken { rows: 3, channels: 5 },
            Self::Patches { size: [8, 12], patch: 4 },
            Self::Patches { size: [7, 5], patch: 3 },
            Self::Merge { grid: [4, 6], channels: 8 },
            Self::Merge { grid: [3, 5], channels: 3 },
            // The general kernel: padding, odd widths, more than one row of lanes.
            attention([7, 5], [4, 4], PadThenRoll, 2, 5),
            attention([6, 6], [3, 3], Timm, 1, 40),
            // Tensor cores: pico's windows, Swin's at 192 and 224, the largest that is compiled.
            attention([8, 8], [4, 4], Timm, 2, 16),
            attention([12, 12], [6, 6], Timm, 1, 16),
            attention([8, 16], [8, 8], Timm, 1, 16),
            attention([12, 12], [12, 12], Timm, 1, 16),
            attention([4, 8], [4, 4], Timm, 1, 32),
            attention([12, 6], [6, 6], Timm, 2, 32),
            attention([14, 14], [7, 7], Timm, 1, 32),
            // More windows than there are groups of blocks.
            attention([56, 56], [7, 7], Timm, if cfg!(feature = "cuda-emulator") { 1 } else { 16 }, 32),
            attention([40, 30], [3, 3], Timm, if cfg!(feature = "cuda-emulator") { 1 } else { 8 }, 5),
            attention([12, 12], [12, 12], Timm, 1, 32),
            objective(Distance::L1, Distance::L1, masked, false),
            objective(Distance::L2, Distance::L2, everywhere, false),
            objective(Distance::L1, Distance::Cosine, masked, true),
            objective(Distance::L2, Distance::Cosine, everywhere, false),
            Self::Update,
        ];
        all.push(Self::Objective {
            reconstruction: Distance::L1,
            consistency: Distance::L1,
            region: masked,
            stop: false,
            method: Method::Simmim,
        });
        all
    }

    /// The results on `backend`, whose inputs are exact in `precision`.
    pub(super) fn run<B: Backend>(&self, backend: &B, precision: Precision) -> Vec<Vec<f32>> {
        let mut draw = Draw { stream: Stream::new(seed(), "parity", 0, 0), precision };
        let call = Call { backend };
        match *self {
            Self::Elementwise { len } => call.elementwise(&mut draw, len),
            Self::Means { groups, group, channels } => call.means(&mut draw, groups, group, channels),
            Self::Product { shape } => call.product(&mut draw, shape),
            Self::Columns { rows, columns } => call.columns(&mut draw, rows, columns),
            Self::LayerNorm { rows, channels } => call.layer_norm(&mut draw, rows, channels),
            Self::Gelu { rows, columns } => call.gelu(&mut draw, rows, columns),
            Self::Softmax { rows, columns } => call.softmax(&mut draw, rows, columns),
            Self::MaskToken { rows, channels } => call.mask_token(&mut draw, rows, channels),
            Self::Patches { size, patch } => call.patches(&mut draw, PatchGeometry { channels: 3, size, patch }),
            Self::Merge { grid, channels } => call.merge(&mut draw, MergeGeometry { grid, channels }),
            Self::Attention { grid, window, policy, heads, width } => {
                let shifted = WindowGeometry::new(grid, window, true, policy, heads, heads * width);
                call.attention(&mut draw, &shifted)
            }
            Self::Objective { reconstruction, consistency, region, stop, method } => {
                let encoder = crate::backbones::swin::SwinConfig::preset("pico").expect("preset");
                let config = PrecoConfig {
                    method,
                    reconstruction,
                    consistency,
                    prompt_region: region,
                    stop_gradient: stop,
                    lambdas: Lambdas { re: 0.7, pr: 1.3, sc: 0.4 },
                    ..PrecoConfig::new(encoder)
                };
                call.objective(&mut draw, &Objective::from(&config))
            }
            Self::Update => call.update(&mut draw),
        }
    }
}

/// Random values, exact in the precision where they become activations.
struct Draw {
    stream: Stream,
    precision: Precision,
}

impl Draw {
    fn plain(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.stream.between(-1.0, 1.0) as f32).collect()
    }

    fn activations(&mut self, len: usize) -> Vec<f32> {
        let values = self.plain(len);
        self.exact(values)
    }

    fn exact(&self, values: Vec<f32>) -> Vec<f32> {
        match self.precision {
            Precision::F32 => values,
            Precision::Bf16 => values.into_iter().map(|value| half::bf16::from_f32(value).to_f32()).collect(),
        }
    }

    fn mask(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| if self.stream.chance(0.5) { 1.0 } else { 0.0 }).collect()
    }
}

struct Call<'a, B: Backend> {
    backend: &'a B,
}

impl<B: Backend> Call<'_, B> {
    fn put(&self, values: &[f32]) -> B::Buffer {
        let mut buffer = self.backend.zeros(values.len());
        self.backend.upload(values, &mut buffer);
        buffer
    }

    fn put_activations(&self, values: &[f32]) -> B::Buffer {
        let mut buffer = self.room(values.len());
        self.backend.upload(values, &mut buffer);
        buffer
    }

    /// Activations that nobody has written.
    fn room(&self, len: usize) -> B::Buffer {
        let mut buffer = self.backend.activations();
        self.backend.reserve(&mut buffer, len);
        buffer
    }

    fn get(&self, buffer: &B::Slice, len: usize) -> Vec<f32> {
        self.backend.values(buffer, len).into_owned()
    }

    fn elementwise(&self, draw: &mut Draw, len: usize) -> Vec<Vec<f32>> {
        let b = self.backend;
        let (x, mut y) = (self.put_activations(&draw.activations(len)), self.put_activations(&draw.activations(len)));
        b.add(&x, &mut y, len);
        let mut results = vec![self.get(&y, len)];
        let (mut sums, more) = (self.put(&draw.plain(len)), self.put(&draw.plain(len)));
        b.add(&more, &mut sums, len);
        results.push(self.get(&sums, len));
        let mut copy = self.room(len);
        b.copy(&x, &mut copy, len);
        b.fill(&mut y, 0.5, len / 2);
        b.fill(&mut sums, -3.0, len / 2);
        results.extend([self.get(&copy, len), self.get(&y, len), self.get(&sums, len)]);
        let (group, mut scaled) = (len.div_ceil(3), self.room(len));
        b.scale_groups(&x, &self.put(&draw.plain(3)), group, len, &mut scaled);
        results.push(self.get(&scaled, len));
        let mut double = self.put_activations(&draw.activations(2 * len));
        b.duplicate_front(&mut double, len);
        results.push(self.get(&double, 2 * len));
        b.fold_back(&mut double, len);
        results.push(self.get(&double, 2 * len));
        let parameters = b.parameters(&draw.plain(len));
        results.push(self.get(&parameters, len));
        results
    }

    fn means(&self, draw: &mut Draw, groups: usize, group: usize, channels: usize) -> Vec<Vec<f32>> {
        let len = groups * group * channels;
        let mut mean = self.backend.zeros(groups * channels);
        self.backend.mean_rows(&self.put_activations(&draw.activations(len)), groups, group, channels, &mut mean);
        let mut dx = self.room(len);
        self.backend.spread_rows(&self.put(&draw.plain(groups * channels)), groups, group, channels, &mut dx);
        let mut of_f32 = self.backend.zeros(groups * channels);
        self.backend.mean_rows(&self.put(&draw.plain(len)), groups, group, channels, &mut of_f32);
        vec![self.get(&mean, groups * channels), self.get(&dx, len), self.get(&of_f32, groups * channels)]
    }

    fn product(&self, draw: &mut Draw, shape: [usize; 3]) -> Vec<Vec<f32>> {
        let (b, [m, n, k]) = (self.backend, shape);
        let x = self.put_activations(&draw.activations(m * k));
        // The weight's values are exact in bf16 too, and it begins at an odd element.
        let mut parameters = draw.plain(3);
        parameters.extend(draw.activations(n * k));
        parameters.extend(draw.plain(n));
        let parameters = b.parameters(&parameters);
        let weight = || Operand::<B>::part_transposed(&parameters, 3..3 + n * k);
        let plain = || Operand::<B>::plain(&x, m * k);
        let (residual, scale) = (self.put_activations(&draw.activations(m * n)), self.put(&draw.plain(m.div_ceil(2))));
        let (mut y, mut activation) = (self.room(m * n), self.room(m * n));
        let epilogue = Epilogue {
            bias: Some(View::new(&*parameters, 3 + n * k..3 + n * k + n)),
            scale: Some((&*scale, 2)),
            residual: Some(&*residual),
            gelu: Some(&mut *activation),
        };
        b.gemm(shape, plain(), weight(), &mut y, epilogue);
        let mut results = vec![self.get(&y, m * n), self.get(&activation, m * n)];
        let mut bare = self.room(m * n);
        b.gemm(shape, plain(), weight(), &mut bare, Epilogue::default());
        results.push(self.get(&bare, m * n));
        // Predictions are f32 whatever the activations are.
        let mut wide = b.zeros(m * n);
        let bias = Some(View::new(&*parameters, 3 + n * k..3 + n * k + n));
        b.gemm(shape, plain(), weight(), &mut wide, Epilogue { bias, ..Epilogue::default() });
        results.push(self.get(&wide, m * n));
        let mut gradient = self.put(&draw.plain(n * k + 2));
        let dy = Operand::<B>::transposed(&residual, m * n);
        b.gemm_accumulate([n, k, m], dy, plain(), &mut gradient, 1..1 + n * k);
        results.push(self.get(&gradient, n * k + 2));
        results
    }

    fn columns(&self, draw: &mut Draw, rows: usize, columns: usize) -> Vec<Vec<f32>> {
        let (x, wide) =
            (self.put_activations(&draw.activations(rows * columns)), self.put(&draw.plain(rows * columns)));
        let mut sums = self.put(&draw.plain(2 * columns + 1));
        self.backend.add_column_sums(&x, rows, columns, &mut sums, 1..columns + 1);
        self.backend.add_column_sums(&wide, rows, columns, &mut sums, columns + 1..2 * columns + 1);
        vec![self.get(&sums, 2 * columns + 1)]
    }

    fn layer_norm(&self, draw: &mut Draw, rows: usize, channels: usize) -> Vec<Vec<f32>> {
        let (b, len) = (self.backend, rows * channels);
        let mut values = draw.activations(len);
        // A row far from zero: what a one-pass variance would lose.
        values[..channels].iter_mut().for_each(|value| *value += 16.0);
        let x = self.put_activations(&draw.exact(values));
        let parameters = self.put(&draw.plain(2 * channels + 1));
        let (gamma, beta) = (1..channels + 1, channels + 1..2 * channels + 1);
        let (mut y, mut statistics) = (self.room(len), b.zeros(2 * rows));
        let views = || (View::new(&*parameters, gamma.clone()), View::new(&*parameters, beta.clone()));
        b.layer_norm(&x, rows, channels, views().0, views().1, &mut y, &mut statistics);
        let mut results = vec![self.get(&y, len), self.get(&statistics, 2 * rows)];
        let dy = self.put_activations(&draw.activations(len));
        for add in [false, true] {
            let mut dx = if add { self.put_activations(&draw.activations(len)) } else { self.room(len) };
            let mut gradients = self.put(&draw.plain(2 * channels + 1));
            let into = [beta.clone(), gamma.clone()];
            b.layer_norm_backward(&x, &statistics, &dy, rows, channels, views().0, &mut dx, add, &mut gradients, into);
            results.extend([self.get(&dx, len), self.get(&gradients, 2 * channels + 1)]);
        }
        results
    }

    fn gelu(&self, draw: &mut Draw, rows: usize, columns: usize) -> Vec<Vec<f32>> {
        let len = rows * columns;
        let (u, mut d) = (self.put_activations(&draw.activations(len)), self.put_activations(&draw.activations(len)));
        let (mut activation, mut gradients) = (self.room(len), self.put(&draw.plain(columns + 3)));
        self.backend.gelu_backward(&u, &mut d, &mut activation, rows, columns, &mut gradients, 3..3 + columns);
        vec![self.get(&d, len), self.get(&activation, len), self.get(&gradients, columns + 3)]
    }

    fn softmax(&self, draw: &mut Draw, rows: usize, columns: usize) -> Vec<Vec<f32>> {
        let (len, mut y) = (rows * columns, self.room(rows * columns));
        self.backend.softmax(&self.put_activations(&draw.activations(len)), rows, columns, &mut y);
        let (given, dy) = (draw.activations(len), draw.activations(len));
        let mut dx = self.room(len);
        self.backend.softmax_backward(
            &self.put_activations(&given),
            &self.put_activations(&dy),
            rows,
            columns,
            &mut dx,
        );
        vec![self.get(&y, len), self.get(&dx, len)]
    }

    fn mask_token(&self, draw: &mut Draw, rows: usize, channels: usize) -> Vec<Vec<f32>> {
        let (len, mut mask) = (rows * channels, draw.mask(rows));
        mask[0] = 0.25;
        let (mut x, mask) = (self.put_activations(&draw.activations(len)), self.put(&mask));
        let token = self.put(&draw.plain(channels + 1));
        self.backend.mix_mask_token(&mut x, &mask, rows, channels, View::new(&*token, 1..channels + 1));
        let (mut d, mut gradients) =
            (self.put_activations(&draw.activations(len)), self.put(&draw.plain(channels + 2)));
        self.backend.mix_mask_token_backward(&mut d, &mask, rows, channels, &mut gradients, 2..channels + 2);
        vec![self.get(&x, len), self.get(&d, len), self.get(&gradients, channels + 2)]
    }

    fn patches(&self, draw: &mut Draw, geometry: PatchGeometry) -> Vec<Vec<f32>> {
        let (b, images) = (self.backend, 2);
        let (pixels, rows) = (images * geometry.pixels(), images * geometry.tokens() * geometry.features());
        let mut results = Vec::new();
        for [wide_from, wide_to] in [[true, true], [true, false], [false, true], [false, false]] {
            let make = |wide: bool, values: &[f32]| if wide { self.put(values) } else { self.put_activations(values) };
            let room = |wide: bool, len: usize| if wide { b.zeros(len) } else { self.room(len) };
            let (from, mut to) = (make(wide_from, &draw.activations(pixels)), room(wide_to, rows));
            b.patchify(&geometry, images, &from, &mut to);
            let (back, mut image) = (make(wide_from, &draw.activations(rows)), room(wide_to, pixels));
            b.unpatchify(&geometry, images, &back, &mut image);
            results.extend([self.get(&to, rows), self.get(&image, pixels)]);
        }
        results
    }

    fn merge(&self, draw: &mut Draw, geometry: MergeGeometry) -> Vec<Vec<f32>> {
        let ([rows, columns], [r, c], images) = (geometry.grid, geometry.merged(), 2);
        let (tokens, merged) = (images * rows * columns * geometry.channels, images * r * c * 4 * geometry.channels);
        let (mut to, mut back) = (self.room(merged), self.room(tokens));
        self.backend.merge_patches(&geometry, images, &self.put_activations(&draw.activations(tokens)), &mut to);
        self.backend.split_patches(&geometry, images, &self.put_activations(&draw.activations(merged)), &mut back);
        vec![self.get(&to, merged), self.get(&back, tokens)]
    }

    fn attention(&self, draw: &mut Draw, geometry: &WindowGeometry) -> Vec<Vec<f32>> {
        let (b, images, c) = (self.backend, 2, geometry.channels);
        let [h, w] = geometry.window();
        let (len, entries) = (images * geometry.tokens * c, (2 * h - 1) * (2 * w - 1) * geometry.heads);
        let qkv = self.put_activations(&draw.activations(3 * len));
        // A pad row that is exact in either type, then the table.
        let mut parameters = draw.activations(3 * c);
        parameters.extend(draw.plain(entries));
        let parameters = self.put(&parameters);
        let (pad, table) = (0..3 * c, 3 * c..3 * c + entries);
        let views = || (View::new(&*parameters, pad.clone()), View::new(&*parameters, table.clone()));
        let mut out = self.room(len);
        b.window_attention(geometry, images, &qkv, views().0, views().1, &mut out);
        let (dout, mut dqkv) = (self.put_activations(&draw.activations(len)), self.room(3 * len));
        let mut gradients = self.put(&draw.plain(3 * c + entries));
        let into = [pad.clone(), table.clone()];
        b.window_attention_backward(
            geometry,
            images,
            &qkv,
            views().0,
            views().1,
            &dout,
            &mut dqkv,
            &mut gradients,
            into,
        );
        vec![self.get(&out, len), self.get(&dqkv, 3 * len), self.get(&gradients, 3 * c + entries)]
    }

    fn objective(&self, draw: &mut Draw, objective: &Objective) -> Vec<Vec<f32>> {
        let (squares, pixels) = (5, 16);
        let len = objective.branches() * squares * 3 * pixels;
        let (predictions, target) = (self.put(&draw.plain(len)), self.put(&draw.plain(squares * 3 * pixels)));
        let mut mask = draw.mask(squares * pixels);
        mask[..pixels].fill(0.0);
        let (mask, mut gradient) = (self.put(&mask), self.room(len));
        let terms = self.backend.preco_objective(objective, squares, len, &predictions, &target, &mask, &mut gradient);
        let values = [terms.total, terms.re, terms.pr.unwrap_or(0.0), terms.sc.unwrap_or(0.0)];
        vec![values.map(|value| value as f32).to_vec(), self.get(&gradient, len)]
    }

    fn update(&self, draw: &mut Draw) -> Vec<Vec<f32>> {
        let (b, len) = (self.backend, 20_011);
        let mut parameters = b.parameters(&draw.plain(len));
        let (mut m, mut v) = (b.zeros(len), b.zeros(len));
        let factors = |keep| AdamWFactors {
            keep,
            grad: 0.5,
            one_minus_beta1: 0.1,
            beta2: 0.999,
            one_minus_beta2: 0.001,
            size: 0.01,
            root: 30.0,
            eps: 1e-8,
        };
        // A gap, and a group of more than one block.
        let groups = [(0..7, 1.0), (7..10_000, 0.99), (10_500..len, 0.9)]
            .map(|(range, keep)| AdamWGroup { range, factors: factors(keep) });
        for _ in 0..3 {
            let gradients = self.put(&draw.plain(len));
            b.adamw(&groups, &mut parameters, &gradients, &mut m, &mut v);
        }
        let mut results = [&parameters, &m, &v].map(|buffer| self.get(buffer, len)).to_vec();
        let ranges = groups.map(|group| group.range);
        results.push(vec![b.sum_squares(&parameters, &ranges) as f32]);
        let mut average = b.parameters(&draw.plain(len));
        b.move_average(&mut average, &parameters, 0.25);
        results.push(self.get(&average, len));
        // What products read after an update, where it is a copy.
        let x = self.put_activations(&[1.0]);
        for updated in [&parameters, &average] {
            let mut read = b.zeros(100);
            let weight = Operand::<B>::part(updated, 7..107);
            b.gemm([1, 100, 1], Operand::<B>::plain(&x, 1), weight, &mut read, Epilogue::default());
            results.push(self.get(&read, 100));
        }
        results
    }
}
