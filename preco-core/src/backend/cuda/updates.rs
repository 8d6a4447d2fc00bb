//! The optimiser's launches: all groups at once, found by their blocks in a table.

use std::ops::Range;

use super::Cuda;
use super::launches::int;
use super::memory::Region;
use crate::update::{self, AdamWFactors, AdamWGroup};

/// Elements and threads of a block: `CHUNK` of `update/kernel.cu`.
const CHUNK: usize = 8192;
const THREADS: u32 = 256;

/// One update of every group, and of the copy in bf16.
pub(super) fn adamw(
    cuda: &Cuda,
    groups: &[AdamWGroup],
    parameters: &mut Region,
    gradients: &Region,
    [m, v]: [&mut Region; 2],
) {
    update::check(groups.iter().map(|group| &group.range), parameters.len);
    for region in [gradients, &*m, &*v] {
        Cuda::check_len("what belongs to the parameters", region, parameters.len);
    }
    let (mut table, mut blocks) = (Vec::new(), 0);
    for AdamWGroup { range, factors } in groups {
        table.extend(span(range, &mut blocks));
        let AdamWFactors { keep, grad, one_minus_beta1, beta2, one_minus_beta2, size, root, eps } = *factors;
        let factors = [keep, grad, one_minus_beta1, beta2, one_minus_beta2, size, root, eps];
        table.extend(factors.iter().flat_map(|factor| factor.to_le_bytes()));
    }
    let table = cuda.device.stage(&table);
    let arguments = vec![
        table.into(),
        int(groups.len()),
        parameters.at(0).into(),
        gradients.at(0).into(),
        m.at(0).into(),
        v.at(0).into(),
        parameters.half.unwrap_or(0).into(),
    ];
    cuda.device.launch("adamw".to_owned(), [blocks, 1], [THREADS, 1], 0, arguments);
}

/// The sum of squares over ranges: one sum a block, added on the host in their order.
pub(super) fn sum_squares(cuda: &Cuda, values: &Region, ranges: &[Range<usize>]) -> f64 {
    update::check(ranges.iter(), values.len);
    let (mut table, mut blocks) = (Vec::new(), 0);
    for range in ranges {
        table.extend(span(range, &mut blocks));
    }
    let (table, sums) = (cuda.device.stage(&table), cuda.device.workspace(8 * blocks));
    let arguments = vec![table.into(), int(ranges.len()), values.at(0).into(), sums.into()];
    cuda.device.launch("sum_squares".to_owned(), [blocks, 1], [THREADS, 1], 0, arguments);
    let mut bytes = vec![0; 8 * blocks];
    cuda.device.download(sums, &mut bytes);
    let sums = bytes.chunks_exact(8).map(|raw| f64::from_le_bytes(std::array::from_fn(|byte| raw[byte])));
    sums.sum()
}

/// A `Span` of `update/kernel.cu`; counts its blocks.
fn span(range: &Range<usize>, blocks: &mut usize) -> Vec<u8> {
    let first = *blocks;
    *blocks += range.len().div_ceil(CHUNK);
    let words = [range.start as u64, range.len() as u64, first as u64];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
