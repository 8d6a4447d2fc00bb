//! Matrix products with an epilogue: `C = s (A B + bias) + residual`, and `gelu(C)` beside it.
//!
//! One routine serves the forward product (B transposed), the gradient of the input (both as they lie) and the gradient
//! of the weight (A transposed, added to C). B is packed into panels as wide as the register tile; A is read in place
//! where its rows are contiguous, else packed. Blocks: `DEPTH` of k (a panel stays in the first cache), `ROWS` of m (a
//! block of A stays in the second). Accumulates in f32 along k, blocks added in order: the result does not depend on
//! the number of threads.

use std::cell::RefCell;

use super::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, math, simd_kernel, store_up_to};

const DEPTH: usize = 256;
const ROWS: usize = 192;
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
    let (across, down) = split([m, n, k], a.column != 1, tile_width(level));
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

/// How many tasks lie side by side and one below the other. Packing is what splitting repeats: columns are packed once
/// for each task below, rows (where they must be) once for each task beside.
fn split([m, n, k]: [usize; 3], packs_a: bool, width: usize) -> (usize, usize) {
    let threads = rayon::current_num_threads();
    if threads == 1 || m * n * k < 1 << 16 {
        return (1, 1);
    }
    let tasks = TASKS * threads;
    let (panels, strips) = (n.div_ceil(width), m.div_ceil(12));
    (0..=tasks.ilog2())
        .map(|power| (1usize << power, tasks.div_ceil(1 << power)))
        .filter(|&(across, down)| across <= panels && down <= strips)
        .min_by_key(|&(across, down)| n * down + if packs_a { m * across } else { 0 })
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
    PACKED.with_borrow_mut(|packed| {
        grow(&mut packed.b, panels * DEPTH * width);
        if a.column != 1 {
            grow(&mut packed.a, ROWS.div_ceil(R) * R * DEPTH);
        }
        let mut from = 0;
        // At least one pass, so that C is written where k is 0.
        loop {
            let length = DEPTH.min(depth - from);
            let (first, last) = (from == 0, from + length == depth);
            // SAFETY: `check` bounds every access of A, B and C; the scratch was grown above.
            unsafe {
                for panel in 0..panels {
                    let at = columns.0 + panel * width;
                    let to = packed.b.as_mut_ptr().add(panel * DEPTH * width);
                    pack_columns::<S>(b, from, length, at, width.min(columns.1 - at), width, to);
                }
                let mut top = rows.0;
                while top < rows.1 {
                    let bottom = (top + ROWS).min(rows.1);
                    if a.column != 1 {
                        pack_rows::<R>(a, from, length, top, bottom, packed.a.as_mut_ptr());
                    }
                    for panel in 0..panels {
                        let at = columns.0 + panel * width;
                        let panel_b = packed.b.as_ptr().add(panel * DEPTH * width);
                        let mut i = top;
                        while i < bottom {
                            let height = R.min(bottom - i);
                            let (pointer, row, column) = if a.column == 1 {
                                (a.data.as_ptr().add(i * a.row + from), a.row, 1)
                            } else {
                                (packed.a.as_ptr().add((i - top) * DEPTH), 1, R)
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
                    top = bottom;
                }
            }
            from += length;
            if from >= depth {
                break;
            }
        }
    });
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
        let mut sums = [[S::splat(0.0); NV]; R];
        let mut b = strip.b;
        let mut a = strip.a;
        for _ in 0..strip.length {
            let columns: [S::V; NV] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(r * strip.row));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = S::mul_add(x, column, *sum);
                }
            }
            b = b.add(NV * S::LANES);
            a = a.add(strip.column);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
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

/// Rows `top..bottom` of a transposed A, as strips of R rows: element `(r, k)` of a strip at `k * R + r`.
///
/// Sixteen values of k at a time: the source's rows of k are far apart, and writing all of k for one strip would touch
/// one line of each.
#[inline(always)]
unsafe fn pack_rows<const R: usize>(a: Matrix, from: usize, length: usize, top: usize, bottom: usize, to: *mut f32) {
    // SAFETY: the caller's bounds; strips of DEPTH * R floats.
    unsafe {
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
                    if height == R {
                        for r in 0..R {
                            *to.add(r) = *source.add(r);
                        }
                    } else {
                        for r in 0..height {
                            *to.add(r) = *source.add(r);
                        }
                    }
                }
                i += height;
            }
            k = stop;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn noise(len: usize, name: u64) -> Vec<f32> {
        let mut stream = Stream::new(1, "gemm", name, 0);
        (0..len).map(|_| stream.between(-1.0, 1.0) as f32).collect()
    }

    fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect()
    }

    const SHAPES: [[usize; 3]; 8] = [
        [1, 1, 1],
        [7, 5, 3],
        [50, 48, 33],
        [97, 130, 600],
        [384, 128, 513],
        [13, 16, 256],
        [6, 64, 0],
        [205, 17, 257],
    ];

    #[test]
    fn every_layout_at_every_level_equals_the_f64_product() {
        for level in Level::available() {
            for [m, n, k] in SHAPES {
                let (a, b) = (noise(m * k, 1), noise(k * n, 2));
                let mut want = vec![0f64; m * n];
                for i in 0..m {
                    for q in 0..k {
                        for j in 0..n {
                            want[i * n + j] += f64::from(a[i * k + q]) * f64::from(b[q * n + j]);
                        }
                    }
                }
                let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
                let plain = |data, row| Matrix { data, row, column: 1 };
                let turned = |data, column| Matrix { data, row: 1, column };
                let a_forms = [plain(&a, k), turned(&at, m)];
                let b_forms = [plain(&b, n), turned(&bt, k)];
                for (form, (a, b)) in a_forms.iter().flat_map(|a| b_forms.iter().map(move |b| (*a, *b))).enumerate() {
                    let mut c = noise(m * n, 3);
                    gemm(level, [m, n, k], a, b, &mut c, Finish::default());
                    for (at, (c, want)) in c.iter().zip(&want).enumerate() {
                        let bound = 1e-6 * (k as f64).sqrt().max(1.0) * 4.0;
                        assert!(
                            (f64::from(*c) - want).abs() < bound,
                            "{level} {m}x{n}x{k} form {form} at {at}: {c} {want}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_epilogue_is_scale_bias_residual_then_gelu() {
        for level in Level::available() {
            for [m, n, k] in [[9, 37, 300], [64, 64, 64]] {
                let (a, b, bias, residual) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3), noise(m * n, 4));
                let scale: Vec<f32> = noise(m.div_ceil(4), 5);
                let (mut product, mut c, mut g) = (vec![0.0; m * n], vec![0.0; m * n], vec![0.0; m * n]);
                let x = Matrix { data: &a, row: k, column: 1 };
                let w = Matrix { data: &b, row: 1, column: k };
                gemm(level, [m, n, k], x, w, &mut product, Finish::default());
                let finish = Finish {
                    bias: Some(&bias),
                    scale: Some((&scale, 4)),
                    residual: Some(&residual),
                    gelu: Some(&mut g),
                    ..Finish::default()
                };
                gemm(level, [m, n, k], x, w, &mut c, finish);
                for at in 0..m * n {
                    let want = scale[at / n / 4] * (product[at] + bias[at % n]) + residual[at];
                    assert!((c[at] - want).abs() < 1e-5 * want.abs().max(1.0), "{level} at {at}: {} {want}", c[at]);
                    let gelu = f64::from(c[at]) * 0.5 * (1.0 + libm_erf(f64::from(c[at]) / std::f64::consts::SQRT_2));
                    assert!((f64::from(g[at]) - gelu).abs() < 2e-6 * gelu.abs().max(1.0), "{level} gelu at {at}");
                }
            }
        }
    }

    /// Maclaurin's series.
    fn libm_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..600 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        if x.abs() > 5.0 { x.signum() } else { sum * std::f64::consts::FRAC_2_SQRT_PI }
    }

    #[test]
    fn accumulating_adds_to_what_was_there() {
        for level in Level::available() {
            let [m, n, k] = [33, 50, 700];
            let (a, b, before) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
            let (mut c, mut product) = (before.clone(), vec![0.0; m * n]);
            let (a, b) = (Matrix { data: &a, row: k, column: 1 }, Matrix { data: &b, row: n, column: 1 });
            gemm(level, [m, n, k], a, b, &mut product, Finish::default());
            gemm(level, [m, n, k], a, b, &mut c, Finish { accumulate: true, ..Finish::default() });
            for at in 0..m * n {
                assert!((c[at] - before[at] - product[at]).abs() < 1e-4, "{level} at {at}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let [m, n, k] = [301, 200, 333];
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            pool.install(|| {
                let mut c = vec![0.0; m * n];
                let (a, b) = (Matrix { data: &a, row: 1, column: m }, Matrix { data: &b, row: n, column: 1 });
                gemm(Level::detect(), [m, n, k], a, b, &mut c, Finish::default());
                c
            })
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert_eq!(one, run(threads), "{threads} threads");
        }
    }
}
