//! What one forward pass of PReCo leaves.

use crate::backbones::swin::{self, Keep};
use crate::backend::Backend;
use crate::rng::fnv1a64_words;

/// Values looked at to know a batch again.
const SAMPLES: usize = 256;

/// The tape of one PReCo forward pass; see [`swin::Tape`].
pub struct Tape<B: Backend> {
    pub(super) encoder: swin::Tape<B>,
    pub(super) images: usize,
    pub(super) image: B::Buffer,
    /// The images of the next pass, on their way, and which they are.
    pub(super) next_image: B::Buffer,
    pub(super) coming: Option<Images>,
    pub(super) mask_tokens: B::Buffer,
    pub(super) mask_pixels: B::Buffer,
    pub(super) mask_squares: B::Buffer,
    pub(super) target: B::Buffer,
    pub(super) predictions: B::Buffer,
    pub(super) d_predictions: B::Buffer,
    pub(super) d_features: B::Buffer,
}

impl<B: Backend> Tape<B> {
    /// An empty tape; its buffers grow with the first pass.
    pub fn new(backend: &B, keep: Keep) -> Self {
        let empty = || backend.zeros(0);
        Self {
            encoder: swin::Tape::new(backend, keep),
            images: 0,
            image: empty(),
            next_image: empty(),
            coming: None,
            mask_tokens: empty(),
            mask_pixels: empty(),
            mask_squares: empty(),
            target: empty(),
            predictions: empty(),
            d_predictions: backend.activations(),
            d_features: backend.activations(),
        }
    }

    /// The encoder's features of the last pass, `(branches · images · tokens, C)`, the masked branch first.
    pub fn features(&self) -> &B::Slice {
        self.encoder.features()
    }
}

/// Which images of the host: their place, their number and a sample of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Images {
    address: usize,
    len: usize,
    sample: u64,
}

impl From<&[f32]> for Images {
    fn from(values: &[f32]) -> Self {
        let every = values.len() / SAMPLES + 1;
        let bits = values.iter().step_by(every).map(|value| u64::from(value.to_bits()));
        Self { address: values.as_ptr() as usize, len: values.len(), sample: fnv1a64_words(bits) }
    }
}

/// Reconstructions of a batch on the host, normalised values `(images, 3, H, W)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Of the masked branch.
    pub masked: Vec<f32>,
    /// Of the prompt branch, where there is one.
    pub prompt: Option<Vec<f32>>,
}
