//! Encoders: images to feature maps.

pub mod swin;

use candle_core::Tensor;

use crate::error::Result;
use crate::nn::Pass;

/// What a forward pass through a model needs to know beside its input.
#[derive(Clone, Copy, Debug)]
pub struct Ctx {
    /// Training with its random streams, or inference.
    pub pass: Pass,
    /// True to keep what the backward pass needs; without it the outputs are constants.
    pub record: bool,
}

impl Ctx {
    /// Nothing is random and nothing is kept.
    pub fn inference() -> Self {
        Self { pass: Pass::inference(), record: false }
    }

    /// Step `step` of a run with seed `seed`, to be followed by a backward pass.
    pub fn training(seed: u64, step: u64) -> Self {
        Self { pass: Pass::training(seed, step), record: true }
    }
}

/// An encoder as heads see it: maps at several strides.
pub trait Backbone {
    /// Pixels per map pixel, finest first.
    fn strides(&self) -> Vec<usize>;

    /// Channels of each map.
    fn channels(&self) -> Vec<usize>;

    /// The maps of normalised images.
    ///
    /// # Shapes
    /// images `(N, 3, H, W)`; one `(N, channels, ⌈H/stride⌉, ⌈W/stride⌉)` for each stride.
    ///
    /// # Errors
    /// Where the images do not fit the encoder.
    fn features(&self, images: &Tensor, ctx: &Ctx) -> Result<Vec<Tensor>>;
}
