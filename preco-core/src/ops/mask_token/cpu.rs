//! Replacing masked tokens on the CPU.

use crate::backend::cpu::parallel;

/// Mixes the token into `x` in place.
pub(crate) fn forward(x: &mut [f32], mask: &[f32], channels: usize, token: &[f32]) {
    for (row, &m) in x.chunks_exact_mut(channels).zip(mask) {
        if m == 1.0 {
            row.copy_from_slice(token);
        } else if m != 0.0 {
            for (x, t) in row.iter_mut().zip(token) {
                *x = (1.0 - m) * *x + m * t;
            }
        }
    }
}

/// Adds the token's gradient to `dtoken` and turns `d` into the gradient of `x`.
pub(crate) fn backward(d: &mut [f32], mask: &[f32], channels: usize, dtoken: &mut [f32]) {
    let rows = d.len() / channels;
    assert!(mask.len() >= rows, "the mask is shorter than {rows} rows");
    let shared = parallel::Shared::new(d);
    parallel::reduce_rows(rows, channels, dtoken, |range, sums| {
        for row in range {
            let m = mask[row];
            if m == 0.0 {
                continue;
            }
            // SAFETY: the row lies in `d` and belongs to this task.
            let d = unsafe { std::slice::from_raw_parts_mut(shared.pointer().add(row * channels), channels) };
            for (d, sum) in d.iter_mut().zip(&mut *sums) {
                *sum += m * *d;
                *d *= 1.0 - m;
            }
        }
    });
}
