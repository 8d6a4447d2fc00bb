//! `bench`: how fast, how much memory, beside the machine's limit and beside a peer measured in the same run.

mod encode;
mod open;
mod products;
mod train;

use std::time::Instant;

use preco_core::backend::{Backend, Epilogue, Operand};
use preco_core::simd::peak;
use rayon::prelude::*;

pub(crate) use encode::encode;
pub(crate) use open::open;
pub(crate) use products::products;
pub(crate) use train::train;

use crate::cli::Processor;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// A pre-training step: forward, backward, clipping, AdamW
    Train(train::Args),
    /// An encoder's forward pass: images to embeddings
    Encode(encode::Args),
    /// The matrix products of an encoder's layers, one by one
    Products(products::Args),
    /// From a model's name to its weights in memory, beside the reading of the same files
    Open(open::Args),
}

/// GFLOP/s that nothing can be faster than: register-only multiply-adds on all threads, or a GPU's large products.
fn limit<B: Backend>(processor: &Processor, backend: &B) -> f64 {
    if processor.device.is_processor() { processor_limit(processor) } else { product_limit(backend) }
}

/// GFLOP/s of a large product in the type of activations: the best of a few.
fn product_limit<B: Backend>(backend: &B) -> f64 {
    const SIDE: usize = 8192;
    const ROUNDS: usize = 10;
    let made = || {
        let mut buffer = backend.activations();
        backend.reserve(&mut buffer, SIDE * SIDE);
        backend.fill(&mut buffer, 0.5, SIDE * SIDE);
        buffer
    };
    let (a, b, mut c) = (made(), made(), made());
    let operations = 2.0 * (SIDE as f64).powi(3) * ROUNDS as f64;
    let once = |c: &mut B::Buffer| {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            let (a, b) = (Operand::<B>::plain(&a, SIDE * SIDE), Operand::<B>::transposed(&b, SIDE * SIDE));
            backend.gemm([SIDE; 3], a, b, c, Epilogue::default());
        }
        // An error will be told by the step that follows.
        let _ = backend.synchronise();
        operations / started.elapsed().as_secs_f64() / 1e9
    };
    (0..4).map(|_| once(&mut c)).fold(0.0, f64::max)
}

fn processor_limit(processor: &Processor) -> f64 {
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
