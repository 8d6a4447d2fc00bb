//! The one training loop: load, forward, backward, clip, step, log, evaluate, save.

mod divergence;
mod memory;
mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use divergence::Divergence;
pub(crate) use divergence::last_good_checkpoint;
pub use state::{Best, Changes, Identity, State, Unusable};
pub(crate) use state::{foreign, saved_identity};

use preco_core::backend::Backend;

use crate::checkpoint::{RunFolder, Store};
use crate::datasets::Loader;
use crate::error::{Error, Result};
use crate::log::Records;
use crate::optim::{Groups, clip, ema};
use crate::progress::{EvaluationReport, StepReport};
use crate::schedule::Schedule;
use crate::task::{Loss, Metric, Place, Task};

/// How a run trains. Everything that changes on the way is in [`State`].
pub struct Trainer<'a> {
    /// Batches in order.
    pub loader: Loader,
    /// The name of an image by its index: for messages.
    pub name: &'a dyn Fn(usize) -> String,
    /// Images a pass over the data takes.
    pub images: usize,
    /// Updates to do.
    pub steps: u64,
    /// Batches whose gradients are averaged for one update.
    pub accumulate: usize,
    /// The learning rate of each update.
    pub schedule: Schedule,
    /// What the optimiser treats alike.
    pub groups: Groups,
    /// The gradient's largest norm.
    pub clip: Option<f64>,
    /// Decay of the parameters' moving average.
    pub ema: Option<f64>,
    /// Updates between evaluations; 0 for none but the last.
    pub evaluate_every: u64,
    /// Evaluations without a better one after which the run ends; 0 for never.
    pub patience: u64,
    /// Updates between checkpoints; 0 for none but the last.
    pub save_every: u64,
    /// The seed of all randomness.
    pub seed: u64,
    /// What a checkpoint must share with this run.
    pub identity: Identity,
    /// Where checkpoints go.
    pub store: Store,
    /// Becomes true when the run is to end after the step at hand.
    pub stop: &'a AtomicBool,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All updates are done.
    Finished,
    /// Evaluations stopped getting better.
    EarlyStop,
    /// Someone asked; the checkpoint continues it.
    Interrupted,
}

impl Trainer<'_> {
    /// Trains until the last update, or until told or decided to stop. The state is saved then.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the step, the term and the images; the loader's, the log's and the checkpoints'. The last
    /// checkpoint stays in each case.
    ///
    /// # Randomness
    /// The loader's streams, and the task's by [`Place`]; none of them depends on anything but the seed and the step.
    pub fn train<B: Backend>(
        &mut self,
        backend: &B,
        task: &mut dyn Task<B>,
        state: &mut State<B>,
        folder: &RunFolder,
        records: &mut Records<'_>,
    ) -> Result<Ending> {
        let mut grads = backend.zeros(state.len);
        let micros = self.accumulate as u64;
        self.loader.accept(&state.unreadable);
        records.begin(state.step, self.steps)?;
        if self.is_tired(state) {
            return Ok(Ending::EarlyStop);
        }
        let mut coming = None;
        while state.step < self.steps {
            let step = state.step;
            let started = Instant::now();
            backend.fill(&mut grads, 0.0, state.len);
            let waited_before = self.loader.waited();
            let (mut losses, mut indices) = (Vec::with_capacity(self.accumulate), Vec::new());
            for number in step * micros..(step + 1) * micros {
                let batch = coming.take().unwrap_or_else(|| self.loader.batch(number))?;
                let place = Place { seed: self.seed, step, batch: number, first: indices.len() as u64 };
                losses.push(task.forward(&state.params, &batch, place)?);
                task.backward(&state.params, &mut grads)?;
                indices.extend(batch.indices);
                // While a device is at the backward pass. An error is the next step's.
                if number + 1 < self.steps * micros {
                    let next = self.loader.batch(number + 1);
                    if let Ok(next) = &next {
                        task.prepare(next)?;
                    }
                    coming = Some(next);
                }
            }
            let loss = Loss::mean(&losses);
            let share = 1.0 / self.accumulate as f64;
            let norm = self.finite_norm(backend, step + 1, &loss, &grads, &indices);
            let norm = norm.map_err(|error| records.diverged(error))? * share;
            let clipped = self.clip.map_or(1.0, |max| clip::coefficient(norm, max));
            let lr = self.schedule.lr(step);
            state.optimiser.update(backend, &mut state.params, &grads, &self.groups, lr, share * clipped);
            state.step += 1;
            state.unreadable = self.loader.accepted();
            if let (Some(average), Some(decay)) = (&mut state.average, self.ema) {
                ema::update(backend, average, &state.params, decay, state.step);
            }

            let elapsed = started.elapsed().as_secs_f64().max(1e-9);
            records.step(&StepReport {
                step: state.step,
                epoch: self.epoch(state.step, indices.len()),
                loss: loss.total,
                terms: loss.terms.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
                lr,
                grad_norm: norm,
                images_per_s: indices.len() as f64 / elapsed,
                wait: (self.loader.waited() - waited_before).as_secs_f64() / elapsed,
                memory_mb: memory::resident_mb(),
            })?;

            let last = state.step == self.steps;
            let asked = self.stop.load(Ordering::Relaxed);
            let mut tired = false;
            let (evaluates, saves) = (due(state.step, self.evaluate_every), due(state.step, self.save_every));
            if evaluates || saves || last || asked {
                let whole = self.check_parameters(backend, state, &indices);
                whole.map_err(|error| records.diverged(error))?;
            }
            if evaluates || last {
                tired = self.evaluate(backend, task, state, folder, records, &indices)?;
            }
            if saves || last || asked || tired {
                let path =
                    self.store.save(backend, state, &self.identity, self.epoch(state.step, indices.len()), lr)?;
                records.saved(&path);
            }
            if !last && (asked || tired) {
                return Ok(if asked { Ending::Interrupted } else { Ending::EarlyStop });
            }
        }
        Ok(Ending::Finished)
    }

    /// Measures, logs, and keeps a model folder of the best parameters; true where patience is at its end.
    fn evaluate<B: Backend>(
        &self,
        backend: &B,
        task: &mut dyn Task<B>,
        state: &mut State<B>,
        folder: &RunFolder,
        records: &mut Records<'_>,
        indices: &[usize],
    ) -> Result<bool> {
        let metrics = task.evaluate(state.published())?;
        if let Some(bad) = metrics.iter().find(|metric| !metric.value.is_finite()) {
            return Err(records.diverged(self.diverged(state.step, bad.name, bad.value, None, indices)));
        }
        let Some(first) = metrics.first() else {
            return Ok(false);
        };
        let better = state.best.is_none_or(|best| is_better(first, best.value));
        state.best = Some(match state.best {
            Some(best) if !better => Best { waited: best.waited + 1, ..best },
            _ => Best { value: first.value, step: state.step, waited: 0 },
        });
        records.evaluation(&EvaluationReport {
            step: state.step,
            metrics: metrics.iter().map(|metric| (metric.name.to_owned(), metric.value)).collect(),
            is_best: better,
        })?;
        if better {
            task.save(&state.published_values(backend)?, &folder.best()?)?;
        }
        Ok(self.is_tired(state))
    }

    /// True where evaluations have got no better for as long as was to be waited.
    fn is_tired<B: Backend>(&self, state: &State<B>) -> bool {
        self.patience > 0 && state.best.is_some_and(|best| best.waited >= self.patience)
    }

    /// Passes over the data after `step` updates of `per_step` images.
    fn epoch(&self, step: u64, per_step: usize) -> f64 {
        step as f64 * per_step as f64 / self.images as f64
    }

    /// Refuses parameters and moments that are no numbers: they must be neither saved nor measured.
    fn check_parameters<B: Backend>(&self, backend: &B, state: &State<B>, indices: &[usize]) -> Result<()> {
        // Squares of f32 cannot overflow f64.
        let params = backend.sum_squares(&state.params, std::slice::from_ref(&(0..state.len)));
        let sums = [("a parameter", params), ("a moment of AdamW", state.optimiser.sum_squares(backend))];
        backend.check()?;
        match sums.into_iter().find(|(_, sum)| !sum.is_finite()) {
            Some((what, sum)) => Err(self.diverged(state.step, what, sum, None, indices)),
            None => Ok(()),
        }
    }

    /// What is known of a step whose numbers are none.
    fn diverged(&self, step: u64, what: &str, value: f64, segment: Option<String>, indices: &[usize]) -> Error {
        let mut files: Vec<String> = indices.iter().map(|&index| (self.name)(index)).collect();
        files.sort();
        files.dedup();
        let last_good_checkpoint = self.store.last_good(step - 1);
        let what = what.to_owned();
        Error::Diverged(Box::new(Divergence { step, what, value, segment, last_good_checkpoint, files, report: None }))
    }

    /// The norm of `grads`, once loss and gradient are known to be numbers: no update must happen otherwise.
    fn finite_norm<B: Backend>(
        &self,
        backend: &B,
        step: u64,
        loss: &Loss,
        grads: &B::Slice,
        indices: &[usize],
    ) -> Result<f64> {
        let diverged =
            |what: &str, value: f64, segment: Option<String>| Err(self.diverged(step, what, value, segment, indices));
        let bad_loss = loss.not_finite();
        let norm = self.groups.norm(backend, grads);
        backend.check()?;
        match (norm, bad_loss) {
            (Ok(norm), None) => Ok(norm),
            (Ok(_), Some((term, value))) => diverged(term, value, None),
            (Err(crate::optim::Error::NonFinite { segment, value, .. }), None) => {
                diverged("gradient", value.into(), Some(segment))
            }
            (Err(crate::optim::Error::NonFinite { segment, .. }), Some((term, value))) => {
                diverged(term, value, Some(segment))
            }
            (Err(other), _) => Err(other.into()),
        }
    }
}

/// True at every `every`th update.
fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

fn is_better(metric: &Metric, than: f64) -> bool {
    if metric.higher_is_better { metric.value > than } else { metric.value < than }
}
