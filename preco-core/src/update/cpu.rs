//! Updates on the CPU.

use std::ops::Range;

use rayon::prelude::*;

use super::{AdamWFactors, AdamWGroup};

/// Elements per task: 28 bytes of traffic each, 1.8 MB together. A constant: the order of the squares' sum is part of a
/// run's numbers.
const CHUNK: usize = 1 << 16;
/// Partial sums per task, so that the compiler may use vectors without reordering a sum.
const LANES: usize = 8;

/// One update of every group.
pub(crate) fn adamw(groups: &[AdamWGroup], params: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
    assert!([grads.len(), m.len(), v.len()].iter().all(|len| *len == params.len()), "buffers belong to another layout");
    super::check(groups.iter().map(|group| &group.range), params.len());
    let mut tasks = Vec::with_capacity(groups.len() + params.len() / CHUNK);
    let (mut rest, mut done) = ((params, m, v), 0);
    for AdamWGroup { range, factors } in groups {
        let (_, p) = rest.0.split_at_mut(range.start - done);
        let (_, m) = rest.1.split_at_mut(range.start - done);
        let (_, v) = rest.2.split_at_mut(range.start - done);
        let ((p, p_rest), (m, m_rest), (v, v_rest)) =
            (p.split_at_mut(range.len()), m.split_at_mut(range.len()), v.split_at_mut(range.len()));
        (rest, done) = ((p_rest, m_rest, v_rest), range.end);
        let parts = p.chunks_mut(CHUNK).zip(m.chunks_mut(CHUNK)).zip(v.chunks_mut(CHUNK));
        tasks.extend(parts.zip(grads[range.clone()].chunks(CHUNK)).map(|(((p, m), v), g)| (p, m, v, g, *factors)));
    }
    tasks.into_par_iter().for_each(|(p, m, v, g, factors)| apply(factors, p, m, v, g));
}

fn apply(factors: AdamWFactors, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]) {
    for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
        let g = *g * factors.grad;
        *m += (g - *m) * factors.one_minus_beta1;
        *v = *v * factors.beta2 + g * g * factors.one_minus_beta2;
        *p = *p * factors.keep - factors.size * *m / (v.sqrt() * factors.root + factors.eps);
    }
}

/// The sum of squares, in f64: squares of f32 cannot overflow it.
pub(crate) fn sum_squares(values: &[f32], ranges: &[Range<usize>]) -> f64 {
    let chunks: Vec<&[f32]> = ranges.iter().flat_map(|range| values[range.clone()].chunks(CHUNK)).collect();
    let sums: Vec<f64> = chunks.into_par_iter().map(sum_of_chunk).collect();
    sums.iter().sum()
}

fn sum_of_chunk(values: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let mut lanes = [0.0f64; LANES];
    let mut eights = values.chunks_exact(LANES);
    for eight in &mut eights {
        for (lane, &value) in lanes.iter_mut().zip(eight) {
            *lane += square(value);
        }
    }
    let rest: f64 = eights.remainder().iter().map(|&value| square(value)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// `average += share (params - average)`.
pub(crate) fn move_average(average: &mut [f32], params: &[f32], share: f32) {
    assert_eq!(average.len(), params.len(), "buffers belong to another layout");
    average.par_chunks_mut(CHUNK).zip(params.par_chunks(CHUNK)).for_each(|(average, params)| {
        for (a, p) in average.iter_mut().zip(params) {
            *a += share * (p - *a);
        }
    });
}
