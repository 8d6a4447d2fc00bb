//! Layer norm on the CPU: rows in parallel, lanes along the channels.

use super::EPSILON;
use crate::backend::cpu::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, simd_kernel, store_up_to};

/// Rows one task takes.
const ROWS: usize = 64;

/// Writes `y` and (mean, 1/deviation) of every row.
pub(crate) fn forward(
    level: Level,
    x: &[f32],
    channels: usize,
    gamma: &[f32],
    beta: &[f32],
    y: &mut [f32],
    statistics: &mut [f32],
) {
    let rows = x.len() / channels;
    assert!(y.len() >= rows * channels && statistics.len() >= 2 * rows, "outputs are shorter than {rows}x{channels}");
    assert!(gamma.len() >= channels && beta.len() >= channels, "gamma or beta is shorter than {channels}");
    let (y, statistics) = (Shared::new(y), Shared::new(statistics));
    parallel::for_each(rows.div_ceil(ROWS), |task| {
        for row in task * ROWS..((task + 1) * ROWS).min(rows) {
            // SAFETY: the row lies in every buffer (asserted above) and belongs to this task.
            unsafe {
                forward_row(
                    level,
                    x.as_ptr().add(row * channels),
                    channels,
                    gamma.as_ptr(),
                    beta.as_ptr(),
                    y.pointer().add(row * channels),
                    statistics.pointer().add(2 * row),
                );
            }
        }
    });
}

/// Writes or adds to `dx`, and adds to the gradients of γ and β; skips those that are empty.
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward(
    level: Level,
    x: &[f32],
    statistics: &[f32],
    dy: &[f32],
    channels: usize,
    gamma: &[f32],
    dx: &mut [f32],
    add_to_dx: bool,
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let rows = x.len() / channels;
    let (wants_dx, wants_sums) = (!dx.is_empty(), !dgamma.is_empty() || !dbeta.is_empty());
    assert!(dy.len() >= rows * channels, "the incoming gradient is shorter than {rows}x{channels}");
    assert!(!wants_dx || dx.len() >= rows * channels, "there is no room for the gradient of {rows}x{channels}");
    assert!(statistics.len() >= 2 * rows && gamma.len() >= channels, "statistics or gamma are too short");
    let dx = Shared::new(dx);
    let mut sums = vec![0f32; if wants_sums { 2 * channels } else { 0 }];
    let each = |range: std::ops::Range<usize>, sums: *mut f32| {
        for row in range {
            // SAFETY: the row lies in every buffer (asserted above) and belongs to this task; `sums` has both halves or
            // is null, as `dx` is where nobody wants it.
            unsafe {
                let to = if wants_dx { dx.pointer().add(row * channels) } else { std::ptr::null_mut() };
                backward_row(
                    level,
                    x.as_ptr().add(row * channels),
                    statistics[2 * row],
                    statistics[2 * row + 1],
                    dy.as_ptr().add(row * channels),
                    channels,
                    gamma.as_ptr(),
                    to,
                    add_to_dx,
                    sums,
                );
            }
        }
    };
    if !wants_sums {
        let tasks = if wants_dx { rows.div_ceil(ROWS) } else { 0 };
        parallel::for_each(tasks, |task| each(task * ROWS..((task + 1) * ROWS).min(rows), std::ptr::null_mut()));
        return;
    }
    parallel::reduce_rows(rows, 2 * channels, &mut sums, |range, sums| each(range, sums.as_mut_ptr()));
    for (gradient, sum) in dgamma.iter_mut().zip(&sums[..channels]) {
        *gradient += sum;
    }
    for (gradient, sum) in dbeta.iter_mut().zip(&sums[channels..]) {
        *gradient += sum;
    }
}

simd_kernel!(unsafe fn forward_row(x: *const f32, channels: usize, gamma: *const f32, beta: *const f32, y: *mut f32, statistics: *mut f32) => forward_body);

#[inline(always)]
unsafe fn forward_body<S: Simd>(
    x: *const f32,
    channels: usize,
    gamma: *const f32,
    beta: *const f32,
    y: *mut f32,
    statistics: *mut f32,
) {
    // SAFETY: `channels` elements behind every pointer, two behind `statistics`.
    unsafe {
        let mut sum = S::splat(0.0);
        for j in (0..channels).step_by(S::LANES) {
            sum = S::add(sum, load_up_to::<S>(x.add(j), channels - j));
        }
        let mean = S::sum(sum) / channels as f32;
        // A rounded mean moves a whole row one way, which sums over a deep network show: what is left of it after
        // subtraction is taken off too, and out of the squares.
        let (mut rest, mut squares) = (S::splat(0.0), S::splat(0.0));
        let whole = channels - channels % S::LANES;
        for j in (0..whole).step_by(S::LANES) {
            let d = S::sub(S::load(x.add(j)), S::splat(mean));
            rest = S::add(rest, d);
            squares = S::mul_add(d, d, squares);
        }
        let (mut rest, mut total) = (S::sum(rest), S::sum(squares));
        for j in whole..channels {
            let d = *x.add(j) - mean;
            rest += d;
            total += d * d;
        }
        let rest = rest / channels as f32;
        let inverse = 1.0 / ((total / channels as f32 - rest * rest) + EPSILON).sqrt();
        *statistics = mean + rest;
        *statistics.add(1) = inverse;
        for j in (0..channels).step_by(S::LANES) {
            let n = channels - j;
            let d = S::sub(S::sub(load_up_to::<S>(x.add(j), n), S::splat(mean)), S::splat(rest));
            let d = S::mul(d, S::splat(inverse));
            let v = S::mul_add(d, load_up_to::<S>(gamma.add(j), n), load_up_to::<S>(beta.add(j), n));
            store_up_to::<S>(y.add(j), v, n);
        }
    }
}

simd_kernel!(unsafe fn backward_row(x: *const f32, mean: f32, inverse: f32, dy: *const f32, channels: usize, gamma: *const f32, dx: *mut f32, add: bool, sums: *mut f32) => backward_body);

/// `dx = (g − mean(g) − x̂ mean(g x̂)) / σ` with `g = γ dy` and `x̂` the normalised row.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn backward_body<S: Simd>(
    x: *const f32,
    mean: f32,
    inverse: f32,
    dy: *const f32,
    channels: usize,
    gamma: *const f32,
    dx: *mut f32,
    add: bool,
    sums: *mut f32,
) {
    // SAFETY: `channels` elements behind every pointer, twice as many behind `sums`; `dx` and `sums` may be null.
    unsafe {
        let (mean, inverse) = (S::splat(mean), S::splat(inverse));
        let (mut sum_g, mut sum_gx) = (S::splat(0.0), S::splat(0.0));
        for j in (0..channels).step_by(S::LANES) {
            let n = channels - j;
            // Lanes beyond the row hold dy = 0, so they add nothing.
            let unit = S::mul(S::sub(load_up_to::<S>(x.add(j), n), mean), inverse);
            let d = load_up_to::<S>(dy.add(j), n);
            if !sums.is_null() {
                let (to_gamma, to_beta) = (sums.add(j), sums.add(channels + j));
                store_up_to::<S>(to_gamma, S::mul_add(d, unit, load_up_to::<S>(to_gamma, n)), n);
                store_up_to::<S>(to_beta, S::add(d, load_up_to::<S>(to_beta, n)), n);
            }
            let g = S::mul(d, load_up_to::<S>(gamma.add(j), n));
            sum_g = S::add(sum_g, g);
            sum_gx = S::mul_add(g, unit, sum_gx);
        }
        if dx.is_null() {
            return;
        }
        let mean_g = S::splat(S::sum(sum_g) / channels as f32);
        let mean_gx = S::splat(S::sum(sum_gx) / channels as f32);
        for j in (0..channels).step_by(S::LANES) {
            let n = channels - j;
            let unit = S::mul(S::sub(load_up_to::<S>(x.add(j), n), mean), inverse);
            let g = S::mul(load_up_to::<S>(dy.add(j), n), load_up_to::<S>(gamma.add(j), n));
            let v = S::mul(S::sub(S::sub(g, mean_g), S::mul(unit, mean_gx)), inverse);
            let v = if add { S::add(v, load_up_to::<S>(dx.add(j), n)) } else { v };
            store_up_to::<S>(dx.add(j), v, n);
        }
    }
}
