//! Everything a pre-training run depends on, and the presets.

use preco_core::nn::params::Layout;
use preco_core::preco::PrecoConfig;
use preco_core::spec::Preprocess;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::optim::{AdamWConfig, GroupOptions, Groups, ema};
use crate::schedule::{Cosine, Schedule};

/// The batch that SimMIM's learning rates are given for.
const REFERENCE_BATCH: f64 = 512.0;

/// A length of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Updates.
    Steps(u64),
    /// Passes over the data.
    Epochs(u64),
}

impl Length {
    /// The length in updates.
    pub fn steps(self, per_epoch: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => epochs.saturating_mul(per_epoch),
        }
    }
}

/// The length of the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// Updates.
    Steps(u64),
    /// Passes over the data.
    Epochs(u64),
    /// This share of the run, rounded down.
    Share(f64),
}

impl Warmup {
    /// The length in updates of a run of `total`.
    pub fn steps(self, per_epoch: u64, total: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => epochs.saturating_mul(per_epoch),
            Self::Share(share) => (total as f64 * share) as u64,
        }
    }
}

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pretrain {
    /// Encoder, masking and objective.
    pub model: PrecoConfig,
    /// How long.
    pub length: Length,
    /// Images per forward pass.
    pub batch_size: usize,
    /// Forward passes per update; their gradients are averaged.
    pub accumulate: usize,
    /// The highest learning rate, as used: nothing scales it later.
    pub lr: f64,
    /// The rate at the end.
    pub min_lr: f64,
    /// The rate of the first update.
    pub warmup_lr: f64,
    /// The linear rise at the start.
    pub warmup: Warmup,
    /// The optimiser.
    pub optimiser: AdamWConfig,
    /// Layer-wise rates and what is decayed.
    pub groups: GroupOptions,
    /// The gradient's largest norm.
    pub clip: Option<f64>,
    /// Decay of the parameters' moving average, which is then what is measured and published.
    pub ema: Option<f64>,
    /// Updates between evaluations on held-out images; 0 for one at the end only.
    pub evaluate_every: u64,
    /// Evaluations without a better one after which the run ends; 0 for never.
    pub patience: u64,
    /// Files that may be unreadable in all: left out before the run, held out, or trained on, where each is passed over
    /// for the next of its pass.
    pub max_unreadable: usize,
    /// The seed of everything random.
    pub seed: u64,
}

impl Pretrain {
    /// For small models and small data on a laptop: AdamW at 1e-3, 100 epochs of which a twentieth is warm-up, batches of 16.
    pub fn small(model: PrecoConfig) -> Self {
        Self {
            model,
            length: Length::Epochs(100),
            batch_size: 16,
            accumulate: 1,
            lr: 1e-3,
            min_lr: 1e-5,
            warmup_lr: 1e-6,
            warmup: Warmup::Share(0.05),
            optimiser: AdamWConfig::default(),
            groups: GroupOptions::default(),
            clip: Some(5.0),
            ema: None,
            evaluate_every: 0,
            patience: 0,
            max_unreadable: 0,
            seed: 0,
        }
    }

    /// As the paper (arXiv 2310.00022): AdamW at 1e-5, 200 epochs, batches of 896. What it leaves open (decay, warm-up,
    /// clipping) is SimMIM's.
    pub fn paper(model: PrecoConfig) -> Self {
        Self {
            length: Length::Epochs(200),
            batch_size: 896,
            lr: 1e-5,
            min_lr: 1e-7,
            warmup_lr: 1e-8,
            warmup: Warmup::Epochs(10),
            ..Self::small(model)
        }
    }

    /// SimMIM's 100 epochs: rates 2e-4, 1e-5 (lowest) and 1e-6 (first), all times `batch_size * accumulate / 512`.
    pub fn simmim(model: PrecoConfig, batch_size: usize, accumulate: usize) -> Self {
        let scale = (batch_size * accumulate) as f64 / REFERENCE_BATCH;
        Self {
            length: Length::Epochs(100),
            batch_size,
            accumulate,
            lr: 2e-4 * scale,
            min_lr: 1e-5 * scale,
            warmup_lr: 1e-6 * scale,
            warmup: Warmup::Epochs(10),
            ..Self::small(model)
        }
    }

    /// Images per update.
    pub fn total_batch(&self) -> usize {
        self.batch_size.saturating_mul(self.accumulate)
    }

    /// Updates per pass over `images` images; the rest that fills no batch waits for the next, newly shuffled pass.
    pub fn steps_per_epoch(&self, images: usize) -> u64 {
        (images / self.total_batch().max(1)) as u64
    }

    /// Updates of a run over `images` images.
    pub fn steps(&self, images: usize) -> u64 {
        self.length.steps(self.steps_per_epoch(images))
    }

    /// How images become inputs.
    pub fn preprocess(&self) -> Preprocess {
        Preprocess::imagenet(self.model.encoder.input)
    }

    /// The learning rates of a run over `images` images.
    pub fn schedule(&self, images: usize) -> Schedule {
        Schedule::Cosine(Cosine {
            lr: self.lr,
            min_lr: self.min_lr,
            warmup_lr: self.warmup_lr.min(self.lr),
            total: self.steps(images),
            warmup: self.warmup.steps(self.steps_per_epoch(images), self.steps(images)),
            warmup_prefix: false,
        })
    }

    /// Checks every setting against the others and against the number of images.
    ///
    /// # Errors
    /// The first that cannot be, with its value and what would do.
    pub fn validate(&self, images: usize) -> Result<()> {
        self.model.validate()?;
        let fail = |what: String| Err(Error::config(what));
        if self.batch_size == 0 || self.accumulate == 0 {
            let (batch, accumulate) = (self.batch_size, self.accumulate);
            return fail(format!("batch size {batch} and accumulate {accumulate} must both be at least 1"));
        }
        if self.total_batch() > images {
            let (batch, accumulate) = (self.batch_size, self.accumulate);
            let advice = match (images / accumulate, images / batch) {
                (0, 0) => format!("accumulate 1 and a batch size of at most {}", images.max(1)),
                (0, most) => format!("accumulate of at most {most}"),
                (most, _) => format!("a batch size of at most {most}"),
            };
            return fail(format!("{images} images do not fill one batch of {batch} x {accumulate}; use {advice}"));
        }
        if self.steps(images) == 0 {
            return fail("the run has 0 steps; give at least one".to_owned());
        }
        if self.clip.is_some_and(|clip| !(clip.is_finite() && clip > 0.0)) {
            return fail(format!("clip {} must be above 0", self.clip.unwrap_or_default()));
        }
        if self.patience > 0 && self.evaluate_every == 0 {
            return fail(format!(
                "patience {} counts evaluations, and there is one only, at the end; give evaluate-every too, such as 100",
                self.patience
            ));
        }
        self.ema.map_or(Ok(()), ema::validate)?;
        self.optimiser.validate()?;
        // The factor is checked whatever the layout; prefixes to freeze belong to no pre-training.
        Groups::new(&Layout::default(), &self.groups)?;
        Ok(self.schedule(images).validate()?)
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
        assert_eq!((paper.steps_per_epoch(1_287_248), paper.steps(1_287_248)), (1436, 287_200));
        assert_eq!((paper.lr, paper.total_batch()), (1e-5, 896));
        paper.validate(1_287_248).expect("valid");
    }

    #[test]
    fn simmim_scales_its_rates_with_the_batch() {
        // 2048 images per update: 2e-4 * 4.
        let simmim = Pretrain::simmim(model(), 128, 16);
        assert_eq!((simmim.lr, simmim.min_lr, simmim.warmup_lr), (8e-4, 4e-5, 4e-6));
        simmim.validate(100_000).expect("valid");
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let good = Pretrain { batch_size: 4, ..Pretrain::small(model()) };
        good.validate(64).expect("valid");
        let cases = [
            (Pretrain { batch_size: 0, ..good.clone() }, "batch size 0"),
            (Pretrain { accumulate: 0, ..good.clone() }, "accumulate 0"),
            (Pretrain { batch_size: 32, accumulate: 3, ..good.clone() }, "64 images do not fill one batch of 32 x 3"),
            (Pretrain { accumulate: 65, ..good.clone() }, "use accumulate of at most 16"),
            (
                Pretrain { batch_size: 65, accumulate: 65, ..good.clone() },
                "accumulate 1 and a batch size of at most 64",
            ),
            (Pretrain { length: Length::Steps(0), ..good.clone() }, "0 steps"),
            (Pretrain { patience: 3, ..good.clone() }, "patience 3 counts evaluations"),
            (Pretrain { clip: Some(0.0), ..good.clone() }, "clip 0"),
            (Pretrain { lr: f64::NAN, ..good.clone() }, "lr NaN"),
            (
                Pretrain { length: Length::Steps(5), warmup: Warmup::Steps(5), ..good.clone() },
                "--warmup-steps 4 at most",
            ),
        ];
        for (config, needle) in cases {
            let error = config.validate(64).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
