//! Pre-training as the loop sees it.

use std::path::Path;
use std::sync::Arc;

use preco_core::backbones::swin::Keep;
use preco_core::backend::Backend;
use preco_core::nn::Pass;
use preco_core::nn::params::Layout;
use preco_core::preco::{Mask, Preco, Tape, Terms};
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;

use super::Pretrain;
use crate::checkpoint::write_model;
use crate::datasets::{Batch, ImageSource};
use crate::error::Result;
use crate::task::{Loss, Metric, Place, Task};
use crate::view;

/// Both branches of PReCo over one batch, and the same terms over held-out images.
pub struct Pretraining<'a, B: Backend> {
    name: &'a str,
    model: Preco,
    backend: &'a B,
    tape: Tape<B>,
    preprocess: Preprocess,
    batch: usize,
    seed: u64,
    skip_unreadable: bool,
    held_out: Option<Arc<dyn ImageSource + Send + Sync>>,
}

impl<'a, B: Backend> Pretraining<'a, B> {
    /// The task of a configuration; the model is called `name`.
    ///
    /// # Errors
    /// Where the model's sizes do not fit.
    pub fn new(
        name: &'a str,
        config: &Pretrain,
        backend: &'a B,
        held_out: Option<Arc<dyn ImageSource + Send + Sync>>,
    ) -> Result<Self> {
        Ok(Self {
            name,
            model: Preco::new(&config.model)?,
            backend,
            tape: Tape::new(backend, Keep::All),
            preprocess: config.preprocess(),
            batch: config.batch_size,
            seed: config.seed,
            skip_unreadable: config.max_unreadable > 0,
            held_out,
        })
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
        let Some(images) = self.held_out.clone() else {
            return Ok(Vec::new());
        };
        let indices: Vec<usize> = (0..images.len()).collect();
        let (mut sums, mut measured) = (Loss::default(), 0);
        for part in indices.chunks(self.batch) {
            let (mut pixels, mut masks) = (Vec::new(), Vec::with_capacity(part.len()));
            for &at in part {
                match view::tensor(images.as_ref(), &[at], &self.preprocess) {
                    Ok(image) => pixels.extend(image),
                    Err(error) if self.skip_unreadable => {
                        tracing::warn!(image = images.name(at), %error, "not measured");
                        continue;
                    }
                    Err(error) => return Err(error),
                }
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
