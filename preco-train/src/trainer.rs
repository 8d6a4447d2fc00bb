//! The training loop: load, forward, backward, clip, step, log.

use std::time::Instant;

use preco_core::backbones::swin::Keep;
use preco_core::backend::cpu::Cpu;
use preco_core::nn::Pass;
use preco_core::preco::{Mask, Preco, Tape, Terms};
use preco_core::rng::Stream;

use crate::datasets::Loader;
use crate::error::{Error, Result};
use crate::log::JsonLines;
use crate::optim::{AdamW, Groups, clip};
use crate::progress::{Progress, StepReport};
use crate::schedule::Schedule;

/// All a run needs besides its parameters.
pub struct Trainer<'a> {
    /// The model.
    pub model: &'a Preco,
    /// What computes.
    pub cpu: &'a Cpu,
    /// Batches in order.
    pub loader: Loader,
    /// Images a pass over the data takes.
    pub images: usize,
    /// Updates to do.
    pub steps: u64,
    /// Batches whose gradients are averaged for one update.
    pub accumulate: usize,
    /// The learning rate of each update.
    pub schedule: Schedule,
    /// The optimiser.
    pub optimiser: AdamW,
    /// What the optimiser treats alike.
    pub groups: Groups,
    /// The gradient's largest norm.
    pub clip: Option<f64>,
    /// The seed of all randomness.
    pub seed: u64,
}

impl Trainer<'_> {
    /// Trains `params`; returns what was logged.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the step, the loader's errors and the log's. `params` are then those of the last whole
    /// update.
    ///
    /// # Randomness
    /// Masks: stream `(seed, "mask", step, position in the step)`, so that accumulation does not change them.
    /// Drop-path: `Pass::training(seed, batch)`.
    pub fn train(
        &mut self,
        params: &mut [f32],
        log: &mut JsonLines,
        progress: &mut dyn Progress,
    ) -> Result<Vec<StepReport>> {
        let mut history = Vec::new();
        let mut grads = vec![0.0; params.len()];
        let mut tape = Tape::new(self.cpu, Keep::All);
        let mut seen = 0;
        let micros = self.accumulate as u64;
        progress.begin(self.steps);
        for step in 0..self.steps {
            let started = Instant::now();
            grads.fill(0.0);
            let mut masks_drawn = 0;
            let mut terms = Vec::with_capacity(self.accumulate);
            for batch in step * micros..(step + 1) * micros {
                let pass = Pass::training(self.seed, batch);
                let batch = self.loader.batch(batch)?;
                let masks = self.masks(step, masks_drawn, batch.indices.len() as u64);
                masks_drawn += masks.len() as u64;
                terms.push(self.model.forward(self.cpu, params, &batch.images, &masks, &pass, &mut tape)?);
                self.model.backward(self.cpu, params, &mut grads, &mut tape);
            }
            let terms = mean(&terms);
            let share = 1.0 / self.accumulate as f64;
            let norm = self.finite_norm(step + 1, terms.total, &grads)? * share;
            let clipped = self.clip.map_or(1.0, |max| clip::coefficient(norm, max));
            let lr = self.schedule.lr(step);
            self.optimiser.update(params, &grads, &self.groups, lr, share * clipped);

            seen += masks_drawn;
            let report = StepReport {
                step: step + 1,
                epoch: seen as f64 / self.images as f64,
                loss: terms.total,
                loss_re: terms.re,
                loss_pr: terms.pr,
                loss_sc: terms.sc,
                lr,
                grad_norm: norm,
                images_per_s: masks_drawn as f64 / started.elapsed().as_secs_f64().max(1e-9),
            };
            log.write(&report)?;
            progress.step(&report);
            tracing::debug!(step = report.step, loss = report.loss, lr, grad_norm = norm, "step");
            history.push(report);
        }
        Ok(history)
    }

    fn masks(&self, step: u64, first: u64, count: u64) -> Vec<Mask> {
        let draw = |at| Mask::random(self.model.config(), &mut Stream::new(self.seed, "mask", step, at));
        (first..first + count).map(draw).collect()
    }

    /// The norm of `grads`, once loss and gradient are known to be numbers: no update must happen otherwise.
    fn finite_norm(&self, step: u64, loss: f64, grads: &[f32]) -> Result<f64> {
        match self.groups.norm(grads) {
            Ok(norm) if loss.is_finite() => Ok(norm),
            Ok(_) => Err(Error::Diverged { what: "loss", value: loss, step, segment: None }),
            Err(crate::optim::Error::NonFinite { segment, value, .. }) => {
                let (what, value) = if loss.is_finite() { ("gradient", value.into()) } else { ("loss", loss) };
                Err(Error::Diverged { what, value, step, segment: Some(segment) })
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// The mean of the terms of several batches of one size.
fn mean(all: &[Terms]) -> Terms {
    let n = all.len() as f64;
    let optional = |term: fn(&Terms) -> Option<f64>| all.iter().map(term).sum::<Option<f64>>().map(|sum| sum / n);
    Terms {
        total: all.iter().map(|terms| terms.total).sum::<f64>() / n,
        re: all.iter().map(|terms| terms.re).sum::<f64>() / n,
        pr: optional(|terms| terms.pr),
        sc: optional(|terms| terms.sc),
    }
}

#[cfg(test)]
mod tests;
