//! The small products of window attention: both factors lie in the first cache, so nothing is packed.

use crate::simd::Simd;

/// The left factor of [`multiply`]: element `(i, k)` at `i * row + k * column`.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) data: *const f32,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// `out (m x n) = a (m x k) b (k x n)`, n a multiple of sixteen; a may be read up to five rows beyond m.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn multiply<S: Simd>(
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
