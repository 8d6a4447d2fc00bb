//! Softmax on the CPU: rows in parallel, lanes along the columns.

use crate::backend::cpu::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, math, simd_kernel, store_up_to};

/// Elements one task takes, in whole rows.
const CHUNK: usize = 1 << 14;

/// Writes `y`.
pub(crate) fn forward(level: Level, x: &[f32], columns: usize, y: &mut [f32]) {
    assert!(y.len() >= x.len(), "the output is shorter than the input");
    let y = Shared::new(y);
    each_row(x.len() / columns, columns, |row| {
        // SAFETY: the row lies in both buffers and belongs to this task.
        unsafe { forward_row(level, x.as_ptr().add(row * columns), y.pointer().add(row * columns), columns) }
    });
}

/// Writes `dx = y (dy − Σ y dy)`.
pub(crate) fn backward(level: Level, y: &[f32], dy: &[f32], columns: usize, dx: &mut [f32]) {
    assert!(dy.len() >= y.len() && dx.len() >= y.len(), "a gradient is shorter than the output");
    let dx = Shared::new(dx);
    each_row(y.len() / columns, columns, |row| {
        let at = row * columns;
        // SAFETY: the row lies in every buffer and belongs to this task.
        unsafe { backward_row(level, y.as_ptr().add(at), dy.as_ptr().add(at), dx.pointer().add(at), columns) }
    });
}

fn each_row(rows: usize, columns: usize, work: impl Fn(usize) + Sync + Send) {
    let chunk = (CHUNK / columns).max(1);
    parallel::for_each(rows.div_ceil(chunk), |task| {
        (task * chunk..((task + 1) * chunk).min(rows)).for_each(&work);
    });
}

simd_kernel!(unsafe fn forward_row(x: *const f32, y: *mut f32, columns: usize) => forward_body);

#[inline(always)]
unsafe fn forward_body<S: Simd>(x: *const f32, y: *mut f32, columns: usize) {
    let whole = columns - columns % S::LANES;
    // SAFETY: `columns` elements behind both pointers.
    unsafe {
        let mut highest = S::splat(f32::MIN);
        for j in (0..whole).step_by(S::LANES) {
            highest = S::max(highest, S::load(x.add(j)));
        }
        let mut highest = S::maximum(highest);
        for j in whole..columns {
            highest = highest.max(*x.add(j));
        }
        let mut sum = S::splat(0.0);
        for j in (0..whole).step_by(S::LANES) {
            let e = math::exp::<S>(S::sub(S::load(x.add(j)), S::splat(highest)));
            S::store(y.add(j), e);
            sum = S::add(sum, e);
        }
        if whole < columns {
            let n = columns - whole;
            let e = math::exp::<S>(S::sub(S::load_partial(x.add(whole), n), S::splat(highest)));
            S::store_partial(y.add(whole), e, n);
            // Loaded again, since the lanes beyond the row hold the exponential of something.
            sum = S::add(sum, S::load_partial(y.add(whole), n));
        }
        let inverse = S::splat(1.0 / S::sum(sum));
        for j in (0..columns).step_by(S::LANES) {
            let n = columns - j;
            store_up_to::<S>(y.add(j), S::mul(load_up_to::<S>(y.add(j), n), inverse), n);
        }
    }
}

simd_kernel!(unsafe fn backward_row(y: *const f32, dy: *const f32, dx: *mut f32, columns: usize) => backward_body);

#[inline(always)]
unsafe fn backward_body<S: Simd>(y: *const f32, dy: *const f32, dx: *mut f32, columns: usize) {
    // SAFETY: `columns` elements behind every pointer.
    unsafe {
        let mut dot = S::splat(0.0);
        for j in (0..columns).step_by(S::LANES) {
            let n = columns - j;
            dot = S::mul_add(load_up_to::<S>(y.add(j), n), load_up_to::<S>(dy.add(j), n), dot);
        }
        let dot = S::splat(S::sum(dot));
        for j in (0..columns).step_by(S::LANES) {
            let n = columns - j;
            let d = S::sub(load_up_to::<S>(dy.add(j), n), dot);
            store_up_to::<S>(dx.add(j), S::mul(load_up_to::<S>(y.add(j), n), d), n);
        }
    }
}
