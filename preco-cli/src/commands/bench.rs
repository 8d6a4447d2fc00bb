//! `bench`: how fast, how much memory, beside the machine's limit and beside a peer measured in the same run.

mod products;
mod train;

use std::time::Instant;

use preco_core::simd::peak;
use rayon::prelude::*;

pub(crate) use products::products;
pub(crate) use train::train;

use crate::cli::Processor;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// A pre-training step: forward, backward, clipping, AdamW
    Train(train::Args),
    /// The matrix products of an encoder's layers, one by one
    Products(products::Args),
}

/// GFLOP/s of register-only multiply-adds on all threads: nothing can be faster.
fn limit(processor: &Processor) -> f64 {
    const ROUNDS: usize = 20_000_000;
    let started = Instant::now();
    let level = processor.level;
    let operations: u64 =
        (0..processor.threads).into_par_iter().with_max_len(1).map(|_| peak::multiply_adds(level, ROUNDS)).sum();
    operations as f64 / started.elapsed().as_secs_f64() / 1e9
}

/// The middle of the sorted values, or the mean of the two middle ones.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(super::median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
