//! Window attention on the CPU: one window and head at a time, in scratch that stays in the first cache.
//!
//! The five products of forward and backward share one register-tiled routine. Sums over windows (table and pad
//! gradients) are split by window and head in a way that does not depend on the number of threads.

use std::cell::RefCell;

use super::WindowGeometry;
use super::geometry::PAD;
use crate::backend::cpu::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, math, simd_kernel, store_up_to};

/// Bias of keys beyond the window's end: far below any score, finite so that differences stay finite.
const BEYOND: f32 = -1e30;
/// What hides a foreign region; Swin's value, not −∞.
const HIDDEN: f32 = -100.0;
/// Chunks of windows whose gradients are summed apart.
const CHUNKS: usize = 8;

/// Inputs of one call, as every task reads them.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    geometry: &'a WindowGeometry,
    qkv: &'a [f32],
    pad: &'a [f32],
    /// (heads, places, padded places).
    bias: &'a [f32],
}

impl Inputs<'_> {
    fn head_width(&self) -> usize {
        self.geometry.channels / self.geometry.heads
    }

    /// The row of part `part` (q, k, v) of a place: a token's, or the pad row.
    ///
    /// # Safety
    /// `place` must be a token of the buffer or [`PAD`]: `check` has shown it.
    #[inline(always)]
    unsafe fn row(&self, image: usize, place: u32, part: usize, head: usize) -> *const f32 {
        let channels = self.geometry.channels;
        let within = part * channels + head * self.head_width();
        // SAFETY: the caller's promise.
        unsafe {
            if place == PAD {
                self.pad.as_ptr().add(within)
            } else {
                self.qkv.as_ptr().add((image * self.geometry.tokens + place as usize) * 3 * channels + within)
            }
        }
    }
}

/// Writes `out`.
pub(crate) fn forward(
    level: Level,
    geometry: &WindowGeometry,
    images: usize,
    qkv: &[f32],
    pad: &[f32],
    table: &[f32],
    out: &mut [f32],
) {
    check(geometry, images, qkv, pad, table, out.len());
    let bias = gather_bias(geometry, table);
    let inputs = Inputs { geometry, qkv, pad, bias: &bias };
    let out = Shared::new(out);
    parallel::for_each(images * geometry.windows, |w| {
        let (image, window) = (w / geometry.windows, w % geometry.windows);
        for head in 0..geometry.heads {
            // SAFETY: `check` has bounded every token; windows share no token.
            unsafe { forward_head(level, inputs, image, window, head, out.pointer()) }
        }
    });
}

/// Writes `dqkv`; adds to the gradients of the pad row and of the table.
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward(
    level: Level,
    geometry: &WindowGeometry,
    images: usize,
    qkv: &[f32],
    pad: &[f32],
    table: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
    dpad: &mut [f32],
    dtable: &mut [f32],
) {
    check(geometry, images, qkv, pad, table, dout.len());
    assert!(dqkv.len() >= images * geometry.tokens * 3 * geometry.channels, "there is no room for the gradient of qkv");
    assert!(dpad.len() == pad.len() && dtable.len() == table.len(), "gradients and parameters differ in length");
    let bias = gather_bias(geometry, table);
    let inputs = Inputs { geometry, qkv, pad, bias: &bias };
    let (heads, len, width) = (geometry.heads, geometry.len(), inputs.head_width());
    let stride = padded(len);
    let windows = images * geometry.windows;
    let chunks = windows.min(CHUNKS);
    let per_task = len * stride + 3 * width;
    let mut sums = vec![0f32; chunks * heads * per_task];
    let (shared_sums, shared_dqkv) = (Shared::new(&mut sums), Shared::new(dqkv));
    parallel::for_each(chunks * heads, |task| {
        let (chunk, head) = (task / heads, task % heads);
        for w in windows * chunk / chunks..windows * (chunk + 1) / chunks {
            let (image, window) = (w / geometry.windows, w % geometry.windows);
            // SAFETY: tasks have accumulators of their own, and windows share no token.
            unsafe {
                let (table_sums, dqkv) = (shared_sums.pointer().add(task * per_task), shared_dqkv.pointer());
                let pad_sums = table_sums.add(len * stride);
                backward_head(level, inputs, image, window, head, dout.as_ptr(), dqkv, table_sums, pad_sums);
            }
        }
    });
    for (task, sums) in sums.chunks_exact(per_task).enumerate() {
        let head = task % heads;
        for i in 0..len {
            for j in 0..len {
                dtable[geometry.table_row(i, j) * heads + head] += sums[i * stride + j];
            }
        }
        for part in 0..3 {
            let to = part * geometry.channels + head * width;
            for (to, sum) in dpad[to..to + width].iter_mut().zip(&sums[len * stride + part * width..]) {
                *to += sum;
            }
        }
    }
}

fn check(geometry: &WindowGeometry, images: usize, qkv: &[f32], pad: &[f32], table: &[f32], out: usize) {
    let tokens = images * geometry.tokens;
    let [h, w] = geometry.window;
    assert!(qkv.len() >= tokens * 3 * geometry.channels, "qkv is shorter than {tokens} tokens");
    assert!(out >= tokens * geometry.channels, "the output is shorter than {tokens} tokens");
    assert!(pad.len() == 3 * geometry.channels, "the pad row has {} values", pad.len());
    assert!(table.len() == (2 * h - 1) * (2 * w - 1) * geometry.heads, "the table does not fit a {h}x{w} window");
}

/// A row of places in scratch, long enough for the widest vector.
fn padded(len: usize) -> usize {
    len.next_multiple_of(16)
}

/// The table spread over pairs of places: (heads, places, padded places).
fn gather_bias(geometry: &WindowGeometry, table: &[f32]) -> Vec<f32> {
    let (heads, len) = (geometry.heads, geometry.len());
    let stride = padded(len);
    let mut bias = vec![BEYOND; heads * len * stride];
    for i in 0..len {
        for j in 0..len {
            let row = &table[geometry.table_row(i, j) * heads..][..heads];
            for (head, value) in row.iter().enumerate() {
                bias[(head * len + i) * stride + j] = *value;
            }
        }
    }
    bias
}

/// Scratch of one thread. Matrices of places x head width have rows of `wide`, matrices of places x places rows of
/// `stride`; both have a few rows more than there are places, which the register tiles read and nobody uses.
#[derive(Default)]
struct Tiles {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    d: Vec<f32>,
    turned: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
    regions: Vec<f32>,
}

thread_local! { static TILES: RefCell<Tiles> = RefCell::default(); }

impl Tiles {
    fn reserve(&mut self, len: usize, width: usize) {
        let (rows, stride, wide) = (len + 8, padded(len), padded(width));
        for buffer in [&mut self.q, &mut self.k, &mut self.v, &mut self.d, &mut self.out] {
            grow(buffer, rows * wide + 16);
        }
        grow(&mut self.turned, width * stride);
        grow(&mut self.scores, rows * stride + 16);
        grow(&mut self.regions, stride);
    }
}

fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

simd_kernel!(unsafe fn forward_head(inputs: Inputs<'_>, image: usize, window: usize, head: usize, out: *mut f32) => forward_body);

#[inline(always)]
unsafe fn forward_body<S: Simd>(inputs: Inputs, image: usize, window: usize, head: usize, out: *mut f32) {
    let geometry = inputs.geometry;
    let (len, width, channels) = (geometry.len(), inputs.head_width(), geometry.channels);
    let (stride, wide) = (padded(len), padded(width));
    let places = &geometry.places[window * len..(window + 1) * len];
    TILES.with_borrow_mut(|tiles| {
        tiles.reserve(len, width);
        // SAFETY: the scratch was grown; `check` has bounded every token.
        unsafe {
            gather::<S>(inputs, image, places, 0, head, 1.0 / (width as f32).sqrt(), &mut tiles.q);
            turn(inputs, image, places, 1, head, &mut tiles.turned);
            gather::<S>(inputs, image, places, 2, head, 1.0, &mut tiles.v);
            probabilities::<S>(inputs, window, head, tiles);
            let p = Left { data: tiles.scores.as_ptr(), row: stride, column: 1 };
            multiply::<S>(len, len, wide, p, tiles.v.as_ptr(), wide, tiles.out.as_mut_ptr(), wide);
            for (i, &place) in places.iter().enumerate() {
                if place != PAD {
                    let to = out.add((image * geometry.tokens + place as usize) * channels + head * width);
                    std::ptr::copy_nonoverlapping(tiles.out.as_ptr().add(i * wide), to, width);
                }
            }
        }
    });
}

simd_kernel!(unsafe fn backward_head(inputs: Inputs<'_>, image: usize, window: usize, head: usize, dout: *const f32, dqkv: *mut f32, table_sums: *mut f32, pad_sums: *mut f32) => backward_body);

/// With P the probabilities: dV = Pᵀ dO, dP = dO Vᵀ, dS = P (dP − Σ P dP), dQ = s dS K, dK = dSᵀ (s Q), dB = dS.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn backward_body<S: Simd>(
    inputs: Inputs,
    image: usize,
    window: usize,
    head: usize,
    dout: *const f32,
    dqkv: *mut f32,
    table_sums: *mut f32,
    pad_sums: *mut f32,
) {
    let geometry = inputs.geometry;
    let (len, width, channels) = (geometry.len(), inputs.head_width(), geometry.channels);
    let (stride, wide) = (padded(len), padded(width));
    let scale = 1.0 / (width as f32).sqrt();
    let places = &geometry.places[window * len..(window + 1) * len];
    TILES.with_borrow_mut(|tiles| {
        tiles.reserve(len, width);
        // SAFETY: the scratch was grown; `check` has bounded every token; accumulators are the task's own.
        unsafe {
            gather::<S>(inputs, image, places, 0, head, scale, &mut tiles.q);
            gather::<S>(inputs, image, places, 1, head, 1.0, &mut tiles.k);
            turn(inputs, image, places, 1, head, &mut tiles.turned);
            for (i, &place) in places.iter().enumerate() {
                let to = tiles.d.as_mut_ptr().add(i * wide);
                if place == PAD {
                    // Nobody reads a padded place's output.
                    to.write_bytes(0, width);
                } else {
                    let token = image * geometry.tokens + place as usize;
                    std::ptr::copy_nonoverlapping(dout.add(token * channels + head * width), to, width);
                }
            }
            probabilities::<S>(inputs, window, head, tiles);
            let scatter = |out: &[f32], part: usize, factor: f32| {
                for (i, &place) in places.iter().enumerate() {
                    let row = &out[i * wide..i * wide + width];
                    let within = part * channels + head * width;
                    if place == PAD {
                        for (x, value) in row.iter().enumerate() {
                            *pad_sums.add(part * width + x) += factor * value;
                        }
                    } else {
                        let to = dqkv.add((image * geometry.tokens + place as usize) * 3 * channels + within);
                        for (x, value) in row.iter().enumerate() {
                            *to.add(x) = factor * value;
                        }
                    }
                }
            };
            let turned_scores = Left { data: tiles.scores.as_ptr(), row: 1, column: stride };
            multiply::<S>(len, len, wide, turned_scores, tiles.d.as_ptr(), wide, tiles.out.as_mut_ptr(), wide);
            scatter(&tiles.out, 2, 1.0);

            turn(inputs, image, places, 2, head, &mut tiles.turned);
            score_gradient::<S>(len, width, tiles, table_sums);

            let scores = Left { data: tiles.scores.as_ptr(), row: stride, column: 1 };
            multiply::<S>(len, len, wide, scores, tiles.k.as_ptr(), wide, tiles.out.as_mut_ptr(), wide);
            scatter(&tiles.out, 0, scale);
            multiply::<S>(len, len, wide, turned_scores, tiles.q.as_ptr(), wide, tiles.out.as_mut_ptr(), wide);
            scatter(&tiles.out, 1, 1.0);
        }
    });
}

/// Turns the probabilities in `scores` into dS, and adds dS to the table's sums.
#[inline(always)]
unsafe fn score_gradient<S: Simd>(len: usize, width: usize, tiles: &mut Tiles, table_sums: *mut f32) {
    let (stride, wide) = (padded(len), padded(width));
    // SAFETY: the caller has grown the scratch; the sums have `len` rows of `stride`.
    unsafe {
        // dP goes to the rows of `out`'s place only where it fits; it needs places x places, so a strip at a time.
        let mut strip = [0f32; 6 * 1024];
        let mut first = 0;
        while first < len {
            let rows = 6.min(len - first);
            let d = Left { data: tiles.d.as_ptr().add(first * wide), row: wide, column: 1 };
            multiply::<S>(rows, width, stride, d, tiles.turned.as_ptr(), stride, strip.as_mut_ptr(), stride);
            for r in 0..rows {
                let (p, dp) = (tiles.scores.as_mut_ptr().add((first + r) * stride), strip.as_ptr().add(r * stride));
                let sums = table_sums.add((first + r) * stride);
                let mut dot = S::splat(0.0);
                for j in (0..len).step_by(S::LANES) {
                    dot = S::mul_add(S::load(p.add(j)), S::load(dp.add(j)), dot);
                }
                let dot = S::splat(S::sum(dot));
                for j in (0..len).step_by(S::LANES) {
                    let ds = S::mul(S::load(p.add(j)), S::sub(S::load(dp.add(j)), dot));
                    S::store(p.add(j), ds);
                    S::store(sums.add(j), S::add(S::load(sums.add(j)), ds));
                }
            }
            first += rows;
        }
    }
}

/// Rows of one part for every place, times `factor`.
#[inline(always)]
unsafe fn gather<S: Simd>(
    inputs: Inputs,
    image: usize,
    places: &[u32],
    part: usize,
    head: usize,
    factor: f32,
    to: &mut [f32],
) {
    let width = inputs.head_width();
    let wide = padded(width);
    for (i, &place) in places.iter().enumerate() {
        // SAFETY: the caller's bounds; `to` has rows of `wide`.
        unsafe {
            let (from, to) = (inputs.row(image, place, part, head), to.as_mut_ptr().add(i * wide));
            for x in (0..width).step_by(S::LANES) {
                let v = S::mul(load_up_to::<S>(from.add(x), width - x), S::splat(factor));
                store_up_to::<S>(to.add(x), v, width - x);
            }
        }
    }
}

/// One part, transposed: (head width, places), zeros beyond the last place.
#[inline(always)]
unsafe fn turn(inputs: Inputs, image: usize, places: &[u32], part: usize, head: usize, to: &mut [f32]) {
    let (width, stride) = (inputs.head_width(), padded(places.len()));
    for (i, &place) in places.iter().enumerate() {
        // SAFETY: the caller's bounds; `to` has `width` rows of `stride`.
        unsafe {
            let (from, to) = (inputs.row(image, place, part, head), to.as_mut_ptr().add(i));
            for x in 0..width {
                *to.add(x * stride) = *from.add(x);
            }
        }
    }
    for row in to.chunks_exact_mut(stride).take(width) {
        row[places.len()..].fill(0.0);
    }
}

/// `softmax(q kᵀ + B + M)` into `scores`; q is scaled, k lies transposed in `turned`. Zeros beyond the last place.
#[inline(always)]
unsafe fn probabilities<S: Simd>(inputs: Inputs, window: usize, head: usize, tiles: &mut Tiles) {
    let (geometry, len, width) = (inputs.geometry, inputs.geometry.len(), inputs.head_width());
    let (stride, wide) = (padded(len), padded(width));
    let masked = geometry.masked[window];
    tiles.regions[..len].copy_from_slice(&geometry.regions[window * len..(window + 1) * len]);
    // SAFETY: the caller has grown the scratch; the bias has `len` rows of `stride` per head.
    unsafe {
        let q = Left { data: tiles.q.as_ptr(), row: wide, column: 1 };
        multiply::<S>(len, width, stride, q, tiles.turned.as_ptr(), stride, tiles.scores.as_mut_ptr(), stride);
        for i in 0..len {
            let row = tiles.scores.as_mut_ptr().add(i * stride);
            let bias = inputs.bias.as_ptr().add((head * len + i) * stride);
            let own_region = S::splat(tiles.regions[i]);
            let mut highest = S::splat(BEYOND);
            for j in (0..len).step_by(S::LANES) {
                let mut score = S::add(S::load(row.add(j)), S::load(bias.add(j)));
                if masked {
                    let regions = S::load(tiles.regions.as_ptr().add(j));
                    score = S::add_where_different(score, S::splat(HIDDEN), regions, own_region);
                }
                S::store(row.add(j), score);
                highest = S::max(highest, score);
            }
            let highest = S::splat(S::maximum(highest));
            let mut sum = S::splat(0.0);
            for j in (0..len).step_by(S::LANES) {
                let mut e = math::exp::<S>(S::sub(S::load(row.add(j)), highest));
                S::store(row.add(j), e);
                if len - j < S::LANES {
                    // The clamped exponential of what lies beyond is tiny, not zero.
                    e = S::load_partial(row.add(j), len - j);
                    S::store(row.add(j), e);
                }
                sum = S::add(sum, e);
            }
            let inverse = S::splat(1.0 / S::sum(sum));
            for j in (0..len).step_by(S::LANES) {
                S::store(row.add(j), S::mul(S::load(row.add(j)), inverse));
            }
        }
    }
}

/// The left factor of [`multiply`]: element `(i, k)` at `i * row + k * column`.
#[derive(Clone, Copy)]
struct Left {
    data: *const f32,
    row: usize,
    column: usize,
}

/// `out (m x n) = a (m x k) b (k x n)`, n a multiple of sixteen; a may be read up to five rows beyond m.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn multiply<S: Simd>(
    m: usize,
    k: usize,
    n: usize,
    a: Left,
    b: *const f32,
    b_stride: usize,
    out: *mut f32,
    out_stride: usize,
) {
    // SAFETY: passed on.
    unsafe {
        match (S::LANES, S::WIDE_TILE) {
            (16, _) => panels::<S, 6, 3>(m, k, n, a, b, b_stride, out, out_stride),
            (_, true) => panels::<S, 6, 2>(m, k, n, a, b, b_stride, out, out_stride),
            _ => panels::<S, 4, 1>(m, k, n, a, b, b_stride, out, out_stride),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn panels<S: Simd, const R: usize, const NV: usize>(
    m: usize,
    k: usize,
    n: usize,
    a: Left,
    b: *const f32,
    b_stride: usize,
    out: *mut f32,
    out_stride: usize,
) {
    let mut j = 0;
    while j < n {
        let vectors = ((n - j) / S::LANES).min(NV);
        // SAFETY: passed on.
        unsafe {
            let (b, out) = (b.add(j), out.add(j));
            match vectors {
                1 => rows::<S, R, 1>(m, k, a, b, b_stride, out, out_stride),
                2 => rows::<S, R, 2>(m, k, a, b, b_stride, out, out_stride),
                _ => rows::<S, R, 3>(m, k, a, b, b_stride, out, out_stride),
            }
        }
        j += vectors * S::LANES;
    }
}

#[inline(always)]
unsafe fn rows<S: Simd, const R: usize, const NV: usize>(
    m: usize,
    k: usize,
    a: Left,
    b: *const f32,
    b_stride: usize,
    out: *mut f32,
    out_stride: usize,
) {
    let mut i = 0;
    while i < m {
        // SAFETY: the caller's bounds; rows of `a` beyond `m` lie in its scratch.
        unsafe {
            let mut sums = [[S::splat(0.0); NV]; R];
            let mut from = a.data.add(i * a.row);
            for kk in 0..k {
                let columns: [S::V; NV] = std::array::from_fn(|v| S::load(b.add(kk * b_stride + v * S::LANES)));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = S::splat(*from.add(r * a.row));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = S::mul_add(x, column, *sum);
                    }
                }
                from = from.add(a.column);
            }
            for (r, sums) in sums.into_iter().take(m - i).enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    S::store(out.add((i + r) * out_stride + v * S::LANES), sum);
                }
            }
        }
        i += R;
    }
}
