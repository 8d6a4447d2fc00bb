//! Work shared between threads without changing a sum: splits depend on sizes only, never on the number of threads.

use rayon::prelude::*;

/// Calls `work` for every index below `count`, on rayon's threads where there is more than one.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) + Sync + Send) {
    if count == 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().for_each(work);
    }
}

/// Splits `rows` into at most 16 fixed chunks. Each adds into an accumulator of its own of length `width`; the
/// accumulators are added to `out` in order.
pub(crate) fn reduce_rows(
    rows: usize,
    width: usize,
    out: &mut [f32],
    work: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync + Send,
) {
    assert_eq!(out.len(), width, "accumulators and output differ in length");
    if rows == 0 || width == 0 {
        return;
    }
    let chunks = rows.div_ceil(64).clamp(1, 16);
    let mut sums = vec![0f32; chunks * width];
    let bounds = |chunk: usize| rows * chunk / chunks..rows * (chunk + 1) / chunks;
    if rayon::current_num_threads() == 1 {
        sums.chunks_mut(width).enumerate().for_each(|(chunk, sums)| work(bounds(chunk), sums));
    } else {
        sums.par_chunks_mut(width).enumerate().for_each(|(chunk, sums)| work(bounds(chunk), sums));
    }
    for sums in sums.chunks(width) {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out += sum;
        }
    }
}

/// A pointer that threads may share because they write disjoint parts behind it.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: whoever dereferences it promises disjoint parts.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// A method, so that closures capture the wrapper and not the raw field.
    pub(crate) fn pointer(self) -> *mut f32 {
        self.0
    }
}
