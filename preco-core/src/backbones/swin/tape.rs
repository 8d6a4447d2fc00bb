//! What one forward pass leaves for its backward pass: buffers made once and used again at every step.

use super::block::{Activations, BlockTape, Scratch};
use crate::backend::Backend;

/// How much a forward pass keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every intermediate result: 10 C floats per token and block.
    #[default]
    All,
    /// Only the blocks' inputs, C floats per token and block; the rest is computed again in the backward pass. The
    /// gradients are bit for bit the same.
    Inputs,
}

/// The tape of one forward pass. One tape belongs to one live forward pass and is used by one backward pass.
pub struct Tape<B: Backend> {
    pub(crate) keep: Keep,
    /// Images of the patch embedding, and of the blocks: PReCo's branches share one embedding.
    pub(crate) images: usize,
    pub(crate) encoded: usize,
    pub(crate) patches: B::Buffer,
    pub(crate) embedded: B::Buffer,
    pub(crate) embedded_statistics: B::Buffer,
    pub(crate) blocks: Vec<BlockTape<B>>,
    pub(crate) shared: Activations<B>,
    /// The output of each stage's last block.
    pub(crate) stages: Vec<B::Buffer>,
    pub(crate) merge_statistics: Vec<B::Buffer>,
    pub(crate) merged: B::Buffer,
    pub(crate) norm_statistics: B::Buffer,
    pub(crate) features: B::Buffer,
    pub(crate) d: B::Buffer,
    pub(crate) d_merged: B::Buffer,
    pub(crate) scratch: Scratch<B>,
}

impl<B: Backend> Tape<B> {
    /// An empty tape; its buffers grow with the first pass.
    pub fn new(backend: &B, keep: Keep) -> Self {
        let (empty, statistics) = (|| backend.activations(), || backend.zeros(0));
        Self {
            keep,
            images: 0,
            encoded: 0,
            patches: empty(),
            embedded: empty(),
            embedded_statistics: statistics(),
            blocks: Vec::new(),
            shared: Activations::new(backend),
            stages: Vec::new(),
            merge_statistics: Vec::new(),
            merged: empty(),
            norm_statistics: statistics(),
            features: empty(),
            d: empty(),
            d_merged: empty(),
            scratch: Scratch::new(backend),
        }
    }

    /// Output of the last stage after the final norm: `(images · rows · columns, features)` of the last pass.
    pub fn features(&self) -> &B::Slice {
        &self.features
    }

    /// Output of stage `stage` of the last pass: `(images · rows · columns, channels)`.
    pub fn stage(&self, stage: usize) -> &B::Slice {
        &self.stages[stage]
    }

    /// True where the last pass has dropped branches, or could have.
    pub(crate) fn drops(&self) -> bool {
        self.blocks.iter().any(|block| block.scales.iter().any(Option::is_some))
    }

    /// The tokens that the blocks start from, `(images · rows · columns, C)`: where masks are mixed in.
    pub(crate) fn tokens_mut(&mut self) -> &mut B::Buffer {
        &mut self.blocks[0].x
    }
}
