//! Pre-training as the loop sees it.

use std::path::Path;

use preco_core::backbones::swin::Keep;
use preco_core::backend::Backend;
use preco_core::nn::Pass;
use preco_core::nn::params::Layout;
use preco_core::preco::{Mask, Preco, Tape, Terms};
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;

use super::super::held_out::HeldOut;
use super::Pretrain;
use crate::checkpoint::write_model;
use crate::datasets::{Batch, Unreadable};
use crate::error::Result;
use crate::run::Images;
use crate::task::{Loss, Metric, Place, Task};

/// Both branches of PReCo over one batch, and the same terms over held-out images.
pub struct Pretraining<'a, B: Backend> {
    name: &'a str,
    model: Preco,
    backend: &'a B,
    tape: Tape<B>,
    preprocess: Preprocess,
    batch: usize,
    seed: u64,
    held_out: Option<HeldOut>,
}

impl<'a, B: Backend> Pretraining<'a, B> {
    /// The task of a configuration; the model is called `name`.
    ///
    /// # Errors
    /// Where the model's sizes do not fit.
    pub fn new(name: &'a str, config: &Pretrain, backend: &'a B, held_out: Option<Images>) -> Result<Self> {
        Ok(Self {
            name,
            model: Preco::new(&config.model)?,
            backend,
            tape: Tape::new(backend, Keep::All),
            preprocess: config.preprocess(),
            batch: config.recipe.batch_size,
            seed: config.recipe.seed,
            held_out: held_out.map(|images| HeldOut::new(images, config.recipe.max_unreadable)),
        })
    }

    /// Reads the held-out images once where some may be unreadable, beside the files `others` that were left out already.
    ///
    /// # Errors
    /// [`Error::Unreadable`](crate::error::Error::Unreadable) where they are too many.
    pub fn read_held_out(&mut self, others: &[Unreadable]) -> Result<()> {
        self.held_out.as_mut().map_or(Ok(()), |held_out| held_out.read_once(others))
    }

    /// The held-out images that cannot be read, as far as was seen.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.held_out.as_ref().map_or(Vec::new(), HeldOut::unreadable)
    }

    /// The model.
    pub fn model(&self) -> &Preco {
        &self.model
    }
}

impl<B: Backend> Task<B> for Pretraining<'_, B> {
    fn layout(&self) -> &Layout {
        self.model.layout()
    }

    /// # Randomness
    /// Masks: stream `(seed, "mask", step, position in the step)`, so that accumulation does not change them.
    /// Drop-path: `Pass::training(seed, batch)`.
    fn forward(&mut self, params: &B::Slice, batch: &Batch, place: Place) -> Result<Loss> {
        let draw =
            |at| Mask::random(self.model.config(), &mut Stream::new(place.seed, "mask", place.step, place.first + at));
        let masks: Vec<Mask> = (0..batch.indices.len() as u64).map(draw).collect();
        let pass = Pass::training(place.seed, place.batch);
        Ok(loss(self.model.forward(self.backend, params, &batch.images, &masks, &pass, &mut self.tape)?))
    }

    fn prepare(&mut self, next: &Batch) -> Result<()> {
        self.model.prepare(self.backend, &next.images, &mut self.tape);
        Ok(self.backend.check()?)
    }

    fn backward(&mut self, params: &B::Slice, grads: &mut B::Slice) -> Result<()> {
        Ok(self.model.backward(self.backend, params, grads, &mut self.tape)?)
    }

    /// The terms over the held-out images: centred views, and the same masks every time. L_Re decides.
    ///
    /// # Randomness
    /// Masks: stream `(seed, "held-out mask", 0, index)`.
    fn evaluate(&mut self, params: &B::Slice) -> Result<Vec<Metric>> {
        let Some(held_out) = &mut self.held_out else {
            return Ok(Vec::new());
        };
        let indices: Vec<usize> = (0..held_out.len()).collect();
        let (mut sums, mut measured) = (Loss::default(), 0);
        for part in indices.chunks(self.batch) {
            let (mut pixels, mut masks) = (Vec::new(), Vec::with_capacity(part.len()));
            for &at in part {
                let Some(image) = held_out.tensor(at, &self.preprocess)? else {
                    continue;
                };
                pixels.extend(image);
                let mut stream = Stream::new(self.seed, "held-out mask", 0, at as u64);
                masks.push(Mask::random(self.model.config(), &mut stream));
            }
            if masks.is_empty() {
                continue;
            }
            let pass = Pass::inference();
            let loss = loss(self.model.forward(self.backend, params, &pixels, &masks, &pass, &mut self.tape)?);
            let weight = masks.len() as f64;
            measured += masks.len();
            sums.total += weight * loss.total;
            sums.terms.resize(loss.terms.len(), ("", 0.0));
            for (sum, (name, value)) in sums.terms.iter_mut().zip(loss.terms) {
                *sum = (name, sum.1 + weight * value);
            }
        }
        if measured == 0 {
            return Err(held_out.refusal());
        }
        sums.total /= measured as f64;
        sums.terms.iter_mut().for_each(|(_, sum)| *sum /= measured as f64);
        let total = Metric { name: "val_loss", value: sums.total, higher_is_better: false };
        let metrics = sums.terms.into_iter().map(|(name, value)| Metric {
            name: match name {
                "loss_re" => "val_loss_re",
                "loss_pr" => "val_loss_pr",
                _ => "val_loss_sc",
            },
            value,
            higher_is_better: false,
        });
        Ok(metrics.chain([total]).collect())
    }

    fn save(&self, params: &[f32], folder: &Path) -> Result<()> {
        write_model(folder, self.name, &self.model, params, &self.preprocess)
    }
}

/// The terms by their names in the log.
fn loss(terms: Terms) -> Loss {
    let optional = [("loss_pr", terms.pr), ("loss_sc", terms.sc)];
    let optional = optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    Loss { total: terms.total, terms: [("loss_re", terms.re)].into_iter().chain(optional).collect() }
}
