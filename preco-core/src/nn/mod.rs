//! Parameters as flat buffers with named segments, and the modules that read them.
//!
//! A module holds the ranges of its parameters. Its `forward` and `backward` work on raw buffers over a
//! [`Backend`](crate::backend::Backend); what backward needs is kept by the caller, in a tape.

mod layer_norm;
mod linear;
pub mod params;

pub use layer_norm::LayerNorm;
pub use linear::{Linear, Outputs};

/// Which pass over the model this is: it decides whether branches are dropped, and by which numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    training: Option<(u64, u64)>,
}

impl Pass {
    /// Nothing is random.
    pub fn inference() -> Self {
        Self { training: None }
    }

    /// Step `step` of a run with seed `seed`.
    ///
    /// # Randomness
    /// Stream `(seed, "drop_path", step, 2 * block + branch)`.
    pub fn training(seed: u64, step: u64) -> Self {
        Self { training: Some((seed, step)) }
    }

    /// One factor per image for branch `branch` of block `block`: 0 with probability `rate`, else 1 / (1 − rate).
    /// `None` where nothing is dropped.
    pub(crate) fn drop_path(&self, rate: f64, block: usize, branch: usize, images: usize) -> Option<Vec<f32>> {
        let (seed, step) = self.training?;
        if rate == 0.0 {
            return None;
        }
        let mut stream = crate::rng::Stream::new(seed, "drop_path", step, (2 * block + branch) as u64);
        Some((0..images).map(|_| if stream.chance(rate) { 0.0 } else { (1.0 / (1.0 - rate)) as f32 }).collect())
    }
}
