//! Sums over rows, in two steps of fixed order: partial sums of chunks, then their sum.

use super::device::Device;
use super::driver::{Argument, Pointer};

/// Threads of a block: a warp across, eight rows at a time.
const ACROSS: usize = 32;
const ROWS: usize = 8;
/// Blocks that fill the largest device a few times over.
const BLOCKS: usize = 1024;
/// Fewest rows of a chunk: below it the partial sums cost more than they save.
const FEWEST_ROWS: usize = 64;

/// Elements that a thread loads at once: `columns` must be a multiple.
pub(super) fn vector(columns: usize) -> usize {
    if columns.is_multiple_of(4) { 4 } else { 1 }
}

/// Runs `kernel` over (rows, columns) with `arguments` before and (rows, columns, rows per chunk, partial sums) after them,
/// and adds the sums of its planes to `sums`.
pub(super) fn add_sums(
    device: &Device,
    kernel: String,
    [rows, columns]: [usize; 2],
    mut arguments: Vec<Argument>,
    sums: &[Pointer],
) {
    let bands = columns.div_ceil(ACROSS * vector(columns));
    let chunks = (BLOCKS / bands).clamp(1, rows.div_ceil(FEWEST_ROWS).max(1));
    let per_chunk = rows.div_ceil(chunks);
    let chunks = rows.div_ceil(per_chunk.max(1));
    let plane = 4 * chunks * columns;
    let partial = device.workspace(plane * sums.len());
    arguments.extend([rows, columns, per_chunk].map(|n| Argument::from(n as i32)));
    arguments.push(partial.into());
    device.launch(kernel, [bands, chunks], [ACROSS as u32, ROWS as u32], 0, arguments);
    for (k, sum) in sums.iter().enumerate() {
        add_partials(device, partial + (plane * k) as Pointer, [chunks, columns], *sum);
    }
}

/// `sums +=` the column sums of partial sums (chunks, columns).
pub(super) fn add_partials(device: &Device, partial: Pointer, [chunks, columns]: [usize; 2], sums: Pointer) {
    let arguments = vec![partial.into(), (chunks as i32).into(), (columns as i32).into(), sums.into()];
    let grid = [columns.div_ceil(ACROSS), 1];
    device.launch("add_partials".to_owned(), grid, [ACROSS as u32, ROWS as u32], 0, arguments);
}
