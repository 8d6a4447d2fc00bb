//! How long, how fast and in what batches a run learns: what all tasks share.

use preco_core::nn::params::Layout;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::optim::{AdamWConfig, GroupOptions, Groups, ema};
use crate::schedule::{Cosine, Schedule};

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

/// The settings of a run that say nothing of what is learnt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
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
    /// Layer-wise rates, what is decayed and what stays as it is.
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

impl Recipe {
    /// For small models and small data on a laptop: AdamW at 1e-3, 100 epochs of which a twentieth is warm-up, batches of 16.
    pub fn small() -> Self {
        Self {
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
        // The factor is checked whatever the layout; prefixes to freeze need the model's.
        Groups::new(&Layout::default(), &GroupOptions { frozen: Vec::new(), ..self.groups.clone() })?;
        Ok(self.schedule(images).validate()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_named() {
        let good = Recipe { batch_size: 4, ..Recipe::small() };
        good.validate(64).expect("valid");
        let cases = [
            (Recipe { batch_size: 0, ..good.clone() }, "batch size 0"),
            (Recipe { accumulate: 0, ..good.clone() }, "accumulate 0"),
            (Recipe { batch_size: 32, accumulate: 3, ..good.clone() }, "64 images do not fill one batch of 32 x 3"),
            (Recipe { accumulate: 65, ..good.clone() }, "use accumulate of at most 16"),
            (Recipe { batch_size: 65, accumulate: 65, ..good.clone() }, "accumulate 1 and a batch size of at most 64"),
            (Recipe { length: Length::Steps(0), ..good.clone() }, "0 steps"),
            (Recipe { patience: 3, ..good.clone() }, "patience 3 counts evaluations"),
            (Recipe { clip: Some(0.0), ..good.clone() }, "clip 0"),
            (Recipe { lr: f64::NAN, ..good.clone() }, "lr NaN"),
            (Recipe { length: Length::Steps(5), warmup: Warmup::Steps(5), ..good.clone() }, "--warmup-steps 4 at most"),
        ];
        for (recipe, needle) in cases {
            let error = recipe.validate(64).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
