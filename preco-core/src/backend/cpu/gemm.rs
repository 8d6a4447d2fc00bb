//! Matrix products with an epilogue: `C = s (A B + bias) + residual`, and `gelu(C)` beside it.
//!
//! One routine serves the forward product (B transposed), the gradient of the input (both as they lie) and the gradient
//! of the weight (A transposed, added to C). B is packed into panels as wide as the register tile; A is read in place
//! where its rows are contiguous and near each other, else packed. Blocks: `DEPTH` of k (a panel stays in the first cache), `ROWS` of m (a
//! block of A and of C stays in the second), and as many blocks of k at a time as `PACKED_LEN` holds (C goes to memory
//! once for all of them). Accumulates in f32 along k, blocks added in order, and every split depends on sizes alone: the
//! result does not depend on the number of threads.

use std::cell::RefCell;

use super::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, math, simd_kernel, store_up_to};

const DEPTH: usize = 256;
const ROWS: usize = 192;
/// Products summed before the sum joins the block's.
const CHAIN: usize = 64;
/// Rows of A this far apart, in values, are packed: rows of 2 KB and more fall on the same few sets of the caches and
/// push each other out.
const FAR: usize = 512;
/// Values of B packed at a time: 4 MB, in the third cache.
const PACKED_LEN: usize = 1 << 20;
/// Chunks of k whose products are summed apart, where k is long and C small: gradients of the first stages' weights.
const CHUNKS: usize = 8;
/// The longest C for which that is done.
const CHUNKED_LEN: usize = 1 << 18;
/// Tasks per thread: more than one evens out a thread that the system takes away for a while.
const TASKS: usize = 4;

/// A matrix anywhere: element `(i, j)` is at `i * row + j * column`; one of the strides is 1.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// What happens to the product on its way out; see [`crate::backend::Epilogue`].
#[derive(Default)]
pub(crate) struct Finish<'a> {
    /// True for `C += A B`; nothing else then.
    pub accumulate: bool,
    pub bias: Option<&'a [f32]>,
    pub scale: Option<(&'a [f32], usize)>,
    pub residual: Option<&'a [f32]>,
    pub gelu: Option<&'a mut [f32]>,
}

/// [`Finish`] as the threads share it.
#[derive(Clone, Copy)]
struct Out {
    c: Shared,
    columns: usize,
    accumulate: bool,
    bias: *const f32,
    scale: *const f32,
    rows_per_scale: usize,
    residual: *const f32,
    gelu: *mut f32,
}

// SAFETY: the tasks of one product write disjoint blocks of C and of the GELU's buffer; all else is read.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// One task's block of C, and what it is computed from.
#[derive(Clone, Copy)]
struct Task<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    out: Out,
    depth: usize,
    rows: (usize, usize),
    columns: (usize, usize),
}

/// `C = finish(A B)` for A m x k, B k x n and C row-major with rows of n.
pub(crate) fn gemm(level: Level, [m, n, k]: [usize; 3], a: Matrix, b: Matrix, c: &mut [f32], finish: Finish) {
    if m == 0 || n == 0 {
        return;
    }
    check([m, n, k], a, b, c, &finish);
    if finish.accumulate && m * n <= CHUNKED_LEN && k >= CHUNKS * DEPTH {
        return accumulate_in_chunks(level, [m, n, k], a, b, c);
    }
    let out = Out {
        c: Shared::new(c),
        columns: n,
        accumulate: finish.accumulate,
        bias: finish.bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
        scale: finish.scale.map_or(std::ptr::null(), |(scale, _)| scale.as_ptr()),
        rows_per_scale: finish.scale.map_or(1, |(_, rows)| rows),
        residual: finish.residual.map_or(std::ptr::null(), <[f32]>::as_ptr),
        gelu: finish.gelu.map_or(std::ptr::null_mut(), <[f32]>::as_mut_ptr),
    };
    let (across, down) = split([m, n, k], tile_width(level));
    let edge =
        |part: usize, parts: usize, size: usize, unit: usize| (size.div_ceil(unit) * part / parts * unit).min(size);
    parallel::for_each(across * down, |task| {
        let (i, j) = (task % down, task / down);
        let width = tile_width(level);
        let rows = (edge(i, down, m, 12), edge(i + 1, down, m, 12));
        let columns = (edge(j, across, n, width), edge(j + 1, across, n, width));
        if rows.0 < rows.1 && columns.0 < columns.1 {
            let task = Task { a, b, out: out.whole(), depth: k, rows, columns };
            // SAFETY: `check` has shown that every row and column lies in its buffer; tasks are disjoint.
            unsafe { run(level, task) };
        }
    });
}

impl Out {
    /// Makes closures capture the whole struct, which is `Sync`, and not its pointers one by one.
    fn whole(&self) -> Self {
        *self
    }
}

fn check([m, n, k]: [usize; 3], a: Matrix, b: Matrix, c: &[f32], finish: &Finish) {
    let covers = |matrix: Matrix, rows: usize, columns: usize| {
        rows == 0 || columns == 0 || matrix.data.len() > (rows - 1) * matrix.row + (columns - 1) * matrix.column
    };
    assert!(covers(a, m, k), "A is shorter than {m}x{k}");
    assert!(covers(b, k, n), "B is shorter than {k}x{n}");
    assert!(c.len() >= m * n, "C is shorter than {m}x{n}");
    assert!(finish.bias.is_none_or(|bias| bias.len() >= n), "the bias is shorter than {n}");
    assert!(finish.residual.is_none_or(|residual| residual.len() >= m * n), "the residual is shorter than {m}x{n}");
    assert!(finish.gelu.as_ref().is_none_or(|gelu| gelu.len() >= m * n), "the GELU's buffer is shorter than {m}x{n}");
    assert!(
        finish.scale.is_none_or(|(scale, rows)| rows > 0 && scale.len() >= m.div_ceil(rows)),
        "there are fewer scales than groups of rows"
    );
}

fn tile_width(level: Level) -> usize {
    match level.name() {
        "avx512" => 64,
        "avx2" => 16,
        _ => 8,
    }
}

/// `C += A B` by fixed chunks of k, each with a C of its own, added in order. Splitting a small C between tasks would
/// have each of them pack almost all of A or of B for little work.
fn accumulate_in_chunks(level: Level, [m, n, k]: [usize; 3], a: Matrix, b: Matrix, c: &mut [f32]) {
    let mut sums = vec![0f32; CHUNKS * m * n];
    let shared = Shared::new(&mut sums);
    parallel::for_each(CHUNKS, |chunk| {
        let (from, to) = (k * chunk / CHUNKS, k * (chunk + 1) / CHUNKS);
        let a = Matrix { data: &a.data[from * a.column..], ..a };
        let b = Matrix { data: &b.data[from * b.row..], ..b };
        // SAFETY: the chunk's own part of `sums`.
        let c = Shared::new(unsafe { std::slice::from_raw_parts_mut(shared.pointer().add(chunk * m * n), m * n) });
        let out = Out {
            c,
            columns: n,
            accumulate: false,
            bias: std::ptr::null(),
            scale: std::ptr::null(),
            rows_per_scale: 1,
            residual: std::ptr::null(),
            gelu: std::ptr::null_mut(),
        };
        let task = Task { a, b, out, depth: to - from, rows: (0, m), columns: (0, n) };
        // SAFETY: `check` has shown that every row and column lies in its buffer; chunks have sums of their own.
        unsafe { run(level, task) };
    });
    for sums in sums.chunks_exact(m * n) {
        for (c, sum) in c.iter_mut().zip(sums) {
            *c += sum;
        }
    }
}

/// How many tasks lie side by side and one below the other. Splitting repeats work: each task below packs the columns
/// of B again (two moves a value, of which one strides), each task beside reads the rows of A again.
fn split([m, n, k]: [usize; 3], width: usize) -> (usize, usize) {
    let threads = rayon::current_num_threads();
    if threads == 1 || m * n * k < 1 << 16 {
        return (1, 1);
    }
    let tasks = TASKS * threads;
    let (panels, strips) = (n.div_ceil(width), m.div_ceil(12));
    (0..=tasks.ilog2())
        .map(|power| (1usize << power, tasks.div_ceil(1 << power)))
        .filter(|&(across, down)| across <= panels && down <= strips)
        .min_by_key(|&(across, down)| 2 * n * down + m * across)
        .unwrap_or((1, 1))
}

/// Scratch of one thread: packed A and packed B.
#[derive(Default)]
struct Packed {
    a: Vec<f32>,
    b: Vec<f32>,
}

thread_local! { static PACKED: RefCell<Packed> = RefCell::default(); }

simd_kernel!(unsafe fn run(task: Task<'_>) => run_body);

#[inline(always)]
unsafe fn run_body<S: Simd>(task: Task<'_>) {
    // SAFETY: passed on. The register tiles: 6 x 4 vectors of 32 registers, 6 x 2 of 16, 4 x 1 of the compiler's.
    unsafe {
        match S::LANES {
            16 => blocks::<S, 6, 4>(task),
            _ if S::WIDE_TILE => blocks::<S, 6, 2>(task),
            _ => blocks::<S, 4, 1>(task),
        }
    }
}

#[inline(always)]
unsafe fn blocks<S: Simd, const R: usize, const NV: usize>(task: Task<'_>) {
    let Task { a, b, out, depth, rows, columns } = task;
    let width = NV * S::LANES;
    let panels = (columns.1 - columns.0).div_ceil(width);
    // As many blocks of k as fit, at least one; a block's panels lie together.
    let block = panels * DEPTH * width;
    let group = DEPTH * (PACKED_LEN / block.max(1)).clamp(1, depth.div_ceil(DEPTH).max(1));
    let mut packed = PACKED.take();
    grow(&mut packed.b, block * (group / DEPTH));
    let packs_a = a.column != 1 || a.row >= FAR;
    if packs_a {
        grow(&mut packed.a, ROWS.div_ceil(R) * R * DEPTH);
    }
    let mut group_from = 0;
    // At least one pass, so that C is written where k is 0.
    loop {
        let group_to = depth.min(group_from + group);
        // SAFETY: `check` bounds every access of A, B and C; the scratch was grown above.
        unsafe {
            for from in (group_from..group_to).step_by(DEPTH) {
                for panel in 0..panels {
                    let at = columns.0 + panel * width;
                    let to = packed.b.as_mut_ptr().add((from - group_from) / DEPTH * block + panel * DEPTH * width);
                    let length = DEPTH.min(depth - from);
                    pack_columns::<S>(b, from, length, at, width.min(columns.1 - at), width, to);
                }
            }
            let mut top = rows.0;
            while top < rows.1 {
                let bottom = (top + ROWS).min(rows.1);
                let mut from = group_from;
                loop {
                    let length = DEPTH.min(group_to - from);
                    let (first, last) = (from == 0, from + length == depth);
                    if packs_a {
                        pack_rows::<R>(a, from, length, top, bottom, packed.a.as_mut_ptr());
                    }
                    let panel_b = packed.b.as_ptr().add((from - group_from) / DEPTH * block);
                    for panel in 0..panels {
                        let at = columns.0 + panel * width;
                        let panel_b = panel_b.add(panel * DEPTH * width);
                        let mut i = top;
                        while i < bottom {
                            let height = R.min(bottom - i);
                            let (pointer, row, column) = if packs_a {
                                (packed.a.as_ptr().add((i - top) * DEPTH), 1, R)
                            } else {
                                (a.data.as_ptr().add(i * a.row + from), a.row, 1)
                            };
                            let strip = Strip { a: pointer, row, column, b: panel_b, length };
                            let place = Place { i, j: at, width: width.min(columns.1 - at), first, last };
                            match height {
                                1 => tile::<S, 1, NV>(strip, out, place),
                                2 => tile::<S, 2, NV>(strip, out, place),
                                3 => tile::<S, 3, NV>(strip, out, place),
                                4 => tile::<S, 4, NV>(strip, out, place),
                                5 => tile::<S, 5, NV>(strip, out, place),
                                _ => tile::<S, 6, NV>(strip, out, place),
                            }
                            i += height;
                        }
                    }
                    from += length;
                    if from >= group_to {
                        break;
                    }
                }
                top = bottom;
            }
        }
        group_from = group_to;
        if group_from >= depth {
            break;
        }
    }
    PACKED.set(packed);
}

fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

/// A strip of A times a panel of B.
#[derive(Clone, Copy)]
struct Strip {
    a: *const f32,
    row: usize,
    column: usize,
    b: *const f32,
    length: usize,
}

/// Where a tile lies in C, and which block of k this is.
#[derive(Clone, Copy)]
struct Place {
    i: usize,
    j: usize,
    width: usize,
    first: bool,
    last: bool,
}

#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const NV: usize>(strip: Strip, out: Out, place: Place) {
    // SAFETY: the caller's bounds.
    unsafe {
        let mut totals = [[S::splat(0.0); NV]; R];
        // A pointer for each row: stepping from row to row would be a chain of additions as long as the products take.
        let rows: [*const f32; R] = std::array::from_fn(|r| std::hint::black_box(strip.a.add(r * strip.row)));
        let mut b = strip.b;
        let mut at = 0;
        let mut left = strip.length;
        while left > 0 {
            let chain = left.min(CHAIN);
            let mut sums = [[S::splat(0.0); NV]; R];
            for _ in 0..chain {
                let columns: [S::V; NV] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let x = S::splat(*row.add(at));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = S::mul_add(x, column, *sum);
                    }
                }
                b = b.add(NV * S::LANES);
                at += strip.column;
            }
            for (totals, sums) in totals.iter_mut().zip(sums) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = S::add(*total, sum);
                }
            }
            left -= chain;
        }
        for (r, totals) in totals.into_iter().enumerate() {
            for (v, sum) in totals.into_iter().enumerate() {
                if v * S::LANES < place.width {
                    let count = place.width - v * S::LANES;
                    finish::<S>(sum, out, place, place.i + r, place.j + v * S::LANES, count);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn finish<S: Simd>(sum: S::V, out: Out, place: Place, i: usize, j: usize, count: usize) {
    // SAFETY: the caller's bounds.
    unsafe {
        let at = i * out.columns + j;
        let c = out.c.pointer().add(at);
        let mut value = sum;
        if !place.first || out.accumulate {
            value = S::add(value, load_up_to::<S>(c, count));
        }
        if place.last {
            if !out.bias.is_null() {
                value = S::add(value, load_up_to::<S>(out.bias.add(j), count));
            }
            if !out.scale.is_null() {
                value = S::mul(value, S::splat(*out.scale.add(i / out.rows_per_scale)));
            }
            if !out.residual.is_null() {
                value = S::add(value, load_up_to::<S>(out.residual.add(at), count));
            }
            if !out.gelu.is_null() {
                store_up_to::<S>(out.gelu.add(at), math::gelu::<S>(value), count);
            }
        }
        store_up_to::<S>(c, value, count);
    }
}

/// Columns `at..at + count` of rows `from..from + length` of B, as `length` runs of `width` (zeros beyond `count`).
#[inline(always)]
unsafe fn pack_columns<S: Simd>(
    b: Matrix,
    from: usize,
    length: usize,
    at: usize,
    count: usize,
    width: usize,
    to: *mut f32,
) {
    // SAFETY: the caller's bounds.
    unsafe {
        if b.column == 1 {
            for k in 0..length {
                let (source, to) = (b.data.as_ptr().add((from + k) * b.row + at), to.add(k * width));
                let mut j = 0;
                while j < width {
                    let v = if j < count { load_up_to::<S>(source.add(j), count - j) } else { S::splat(0.0) };
                    S::store(to.add(j), v);
                    j += S::LANES;
                }
            }
        } else {
            for j in 0..width {
                let to = to.add(j);
                if j < count {
                    let source = b.data.as_ptr().add((at + j) * b.column + from);
                    for k in 0..length {
                        *to.add(k * width) = *source.add(k);
                    }
                } else {
                    for k in 0..length {
                        *to.add(k * width) = 0.0;
                    }
                }
            }
        }
    }
}

/// Rows `top..bottom` of A, as strips of R rows: element `(r, k)` of a strip at `k * R + r`.
///
/// Of a transposed A sixteen values of k at a time: the source's rows of k are far apart, and writing all of k for one
/// strip would touch one line of each.
#[inline(always)]
unsafe fn pack_rows<const R: usize>(a: Matrix, from: usize, length: usize, top: usize, bottom: usize, to: *mut f32) {
    // SAFETY: the caller's bounds; strips of DEPTH * R floats.
    unsafe {
        if a.column == 1 {
            for i in top..bottom {
                let source = a.data.as_ptr().add(i * a.row + from);
                let to = to.add((i - top) / R * R * DEPTH + (i - top) % R);
                for k in 0..length {
                    *to.add(k * R) = *source.add(k);
                }
            }
            return;
        }
        let mut k = 0;
        while k < length {
            let stop = (k + 16).min(length);
            let mut i = top;
            while i < bottom {
                let height = R.min(bottom - i);
                let strip = to.add((i - top) * DEPTH);
                for k in k..stop {
                    let source = a.data.as_ptr().add((from + k) * a.column + i);
                    let to = strip.add(k * R);
                    // A constant length becomes two moves.
                    if height == R {
                        std::ptr::copy_nonoverlapping(source, to, R);
                    } else {
                        std::ptr::copy_nonoverlapping(source, to, height);
                    }
                }
                i += height;
            }
            k = stop;
        }
    }
}

#[cfg(test)]
mod tests;
