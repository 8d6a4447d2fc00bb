//! Launches of the usual shapes, and the arguments they share.

use super::driver::{Argument, Pointer};
use super::memory::Region;
use super::{Cuda, columns};
use crate::backend::View;
use crate::ops::merge_patches::MergeGeometry;
use crate::ops::patchify::PatchGeometry;

/// Threads of a block that works element by element, and blocks that keep every device busy; the emulator's go round
/// their loops sooner.
const THREADS: usize = 256;
const MOST_BLOCKS: usize = if cfg!(feature = "cuda-emulator") { 3 } else { 4096 };
/// Rows of a block that gives each a warp.
const WARPS: usize = 8;

impl Cuda {
    /// Queues a kernel over `len` elements, `vector` to a thread.
    pub(super) fn elementwise(&self, kernel: String, len: usize, vector: usize, arguments: Vec<Argument>) {
        let blocks = len.div_ceil(vector * THREADS).min(MOST_BLOCKS);
        self.device.launch(kernel, [blocks, 1], [THREADS as u32, 1], 0, arguments);
    }

    /// Queues a kernel over rows, a warp for each.
    pub(super) fn rowwise(&self, kernel: String, rows: usize, arguments: Vec<Argument>) {
        self.device.launch(kernel, [rows.div_ceil(WARPS), 1], [32, WARPS as u32], 0, arguments);
    }

    /// Brings the copy in bf16 up to date, where there is one.
    pub(super) fn refresh_half(&self, parameters: &Region, len: usize) {
        if let Some(half) = parameters.half {
            let arguments = vec![parameters.at(0).into(), half.into(), long(len)];
            self.elementwise("cast_f32_bf16".to_owned(), len, 1, arguments);
        }
    }

    /// Queues patch merging or its adjoint, over `len` merged values.
    pub(super) fn neighbours(
        &self,
        kernel: &str,
        geometry: &MergeGeometry,
        len: usize,
        from: &Region,
        to: &mut Region,
    ) {
        assert_eq!(from.kind, to.kind, "merging changes no type");
        let ([rows, columns], channels) = (geometry.grid, geometry.channels);
        let vector = columns::vector(channels);
        let arguments = vec![from.at(0).into(), to.at(0).into(), long(len), int(rows), int(columns), int(channels)];
        self.elementwise(format!("{kernel}_{}_v{vector}", to.kind.tail()), len, vector, arguments);
    }

    /// Queues patchify or its inverse, over `len` values.
    pub(super) fn rearranged(
        &self,
        kernel: &str,
        geometry: &PatchGeometry,
        len: usize,
        from: &Region,
        to: &mut Region,
    ) {
        let PatchGeometry { channels, size: [height, width], patch } = *geometry;
        let mut arguments: Vec<Argument> = vec![from.at(0).into(), to.at(0).into(), long(len)];
        arguments.extend([channels, height, width, patch].map(int));
        self.elementwise(format!("{kernel}_{}_{}", from.kind.tail(), to.kind.tail()), len, 1, arguments);
    }

    /// Panics where `region` is shorter than `len`: a kernel would write elsewhere.
    pub(super) fn check_len(what: &str, region: &Region, len: usize) {
        assert!(region.len >= len, "{what} has {} elements, {len} are needed", region.len);
    }
}

pub(super) fn pointer(view: &View<Cuda>) -> Pointer {
    assert!(view.range.end <= view.slice.len, "{:?} of {} elements", view.range, view.slice.len);
    view.slice.at(view.range.start)
}

pub(super) fn int(n: usize) -> Argument {
    Argument::from(i32::try_from(n).expect("a size below 2^31"))
}

pub(super) fn long(n: usize) -> Argument {
    Argument::from(n as i64)
}

pub(super) fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: every f32 is four bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
