//! Everything a pre-training run depends on, and the presets.

use preco_core::preco::PrecoConfig;
use preco_core::spec::Preprocess;
use serde::Serialize;

use crate::error::Result;
use crate::recipe::{Length, Recipe, Warmup};

/// The batch that SimMIM's learning rates are given for.
const REFERENCE_BATCH: f64 = 512.0;

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pretrain {
    /// Encoder, masking and objective.
    pub model: PrecoConfig,
    /// How it learns.
    #[serde(flatten)]
    pub recipe: Recipe,
}

impl Pretrain {
    /// For small models and small data on a laptop: [`Recipe::small`].
    pub fn small(model: PrecoConfig) -> Self {
        Self { model, recipe: Recipe::small() }
    }

    /// As the paper (arXiv 2310.00022): AdamW at 1e-5, 200 epochs, batches of 896. What it leaves open (decay, warm-up,
    /// clipping) is SimMIM's.
    pub fn paper(model: PrecoConfig) -> Self {
        let recipe = Recipe {
            length: Length::Epochs(200),
            batch_size: 896,
            lr: 1e-5,
            min_lr: 1e-7,
            warmup_lr: 1e-8,
            warmup: Warmup::Epochs(10),
            ..Recipe::small()
        };
        Self { model, recipe }
    }

    /// SimMIM's 100 epochs: rates 2e-4, 1e-5 (lowest) and 1e-6 (first), all times `batch_size * accumulate / 512`.
    pub fn simmim(model: PrecoConfig, batch_size: usize, accumulate: usize) -> Self {
        let scale = (batch_size * accumulate) as f64 / REFERENCE_BATCH;
        let recipe = Recipe {
            length: Length::Epochs(100),
            batch_size,
            accumulate,
            lr: 2e-4 * scale,
            min_lr: 1e-5 * scale,
            warmup_lr: 1e-6 * scale,
            warmup: Warmup::Epochs(10),
            ..Recipe::small()
        };
        Self { model, recipe }
    }

    /// How images become inputs.
    pub fn preprocess(&self) -> Preprocess {
        Preprocess::imagenet(self.model.encoder.input)
    }

    /// Checks the model, and every setting against the others and against the number of images.
    ///
    /// # Errors
    /// The first that cannot be, with its value and what would do.
    pub fn validate(&self, images: usize) -> Result<()> {
        self.model.validate()?;
        self.recipe.validate(images)
    }
}

#[cfg(test)]
mod tests {
    use preco_core::backbones::swin::SwinConfig;

    use super::*;

    fn model() -> PrecoConfig {
        PrecoConfig::new(SwinConfig::preset("pico").expect("preset"))
    }

    #[test]
    fn the_papers_run_has_the_papers_length() {
        let paper = Pretrain::paper(model());
        let recipe = &paper.recipe;
        assert_eq!((recipe.steps_per_epoch(1_287_248), recipe.steps(1_287_248)), (1436, 287_200));
        assert_eq!((recipe.lr, recipe.total_batch()), (1e-5, 896));
        paper.validate(1_287_248).expect("valid");
    }

    #[test]
    fn simmim_scales_its_rates_with_the_batch() {
        // 2048 images per update: 2e-4 * 4.
        let simmim = Pretrain::simmim(model(), 128, 16);
        let recipe = &simmim.recipe;
        assert_eq!((recipe.lr, recipe.min_lr, recipe.warmup_lr), (8e-4, 4e-5, 4e-6));
        simmim.validate(100_000).expect("valid");
    }
}
