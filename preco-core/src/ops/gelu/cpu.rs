//! GELU on the CPU.

use crate::backend::cpu::parallel::{self, Shared};
use crate::simd::{Level, Simd, load_up_to, math, simd_kernel, store_up_to};

/// Elements one task takes.
const CHUNK: usize = 1 << 14;

/// `y = gelu(x)`.
pub(crate) fn forward(level: Level, x: &[f32], y: &mut [f32]) {
    assert!(y.len() >= x.len(), "the output is shorter than the input");
    let y = Shared::new(y);
    parallel::for_each(x.len().div_ceil(CHUNK), |task| {
        let (from, to) = (task * CHUNK, ((task + 1) * CHUNK).min(x.len()));
        // SAFETY: the chunk lies in both buffers and belongs to this task.
        unsafe { forward_chunk(level, x.as_ptr().add(from), y.pointer().add(from), to - from) }
    });
}

/// `d *= gelu'(u)`, `activation = gelu(u)`, and the column sums of the new `d` are added to `sums`.
pub(crate) fn backward(
    level: Level,
    u: &[f32],
    d: &mut [f32],
    activation: &mut [f32],
    columns: usize,
    sums: &mut [f32],
) {
    let rows = u.len() / columns;
    assert!(
        d.len() >= u.len() && activation.len() >= u.len(),
        "gradient or activation is shorter than {rows}x{columns}"
    );
    let (d, activation) = (Shared::new(d), Shared::new(activation));
    parallel::reduce_rows(rows, columns, sums, |range, sums| {
        for row in range {
            let at = row * columns;
            // SAFETY: the row lies in every buffer and belongs to this task.
            unsafe {
                let (d, activation) = (d.pointer().add(at), activation.pointer().add(at));
                backward_row(level, u.as_ptr().add(at), d, activation, columns, sums.as_mut_ptr());
            }
        }
    });
}

simd_kernel!(unsafe fn forward_chunk(x: *const f32, y: *mut f32, len: usize) => forward_body);

#[inline(always)]
unsafe fn forward_body<S: Simd>(x: *const f32, y: *mut f32, len: usize) {
    // SAFETY: `len` elements behind both pointers.
    unsafe {
        for j in (0..len).step_by(S::LANES) {
            store_up_to::<S>(y.add(j), math::gelu::<S>(load_up_to::<S>(x.add(j), len - j)), len - j);
        }
    }
}

simd_kernel!(unsafe fn backward_row(u: *const f32, d: *mut f32, activation: *mut f32, columns: usize, sums: *mut f32) => backward_body);

#[inline(always)]
unsafe fn backward_body<S: Simd>(u: *const f32, d: *mut f32, activation: *mut f32, columns: usize, sums: *mut f32) {
    // SAFETY: `columns` elements behind every pointer.
    unsafe {
        for j in (0..columns).step_by(S::LANES) {
            let n = columns - j;
            let (value, slope) = math::gelu_with_derivative::<S>(load_up_to::<S>(u.add(j), n));
            store_up_to::<S>(activation.add(j), value, n);
            let gradient = S::mul(load_up_to::<S>(d.add(j), n), slope);
            store_up_to::<S>(d.add(j), gradient, n);
            store_up_to::<S>(sums.add(j), S::add(gradient, load_up_to::<S>(sums.add(j), n)), n);
        }
    }
}
