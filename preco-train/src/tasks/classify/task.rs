//! Classification as the loop sees it.

use std::path::Path;

use preco_core::backbones::swin::{Keep, Tape};
use preco_core::backend::Backend;
use preco_core::heads::{ImageClassifier, ImageTape};
use preco_core::losses::classification::{binary_cross_entropy, cross_entropy, sigmoid, softmax};
use preco_core::nn::Pass;
use preco_core::nn::params::Layout;
use preco_core::spec::{Labelling, ModelSpec};

use super::super::held_out::HeldOut;
use super::features::Features;
use super::{Classify, Figures, Weighting, measure, weights};
use crate::checkpoint::write_classifier;
use crate::datasets::{Batch, Unreadable};
use crate::error::{Error, Result};
use crate::run::Images;
use crate::task::{Loss, Metric, Place, Task};

/// Images of one forward pass of an evaluation.
const BATCH: usize = 32;

/// An encoder with a head over one batch, and its figures over held-out images.
pub struct Classification<'a, B: Backend> {
    name: &'a str,
    config: &'a Classify,
    model: ImageClassifier,
    backend: &'a B,
    tape: ImageTape<B>,
    weights: Option<Vec<f32>>,
    /// Embeddings of the training images, where no step changes them.
    features: Option<Features>,
    d_logits: Vec<f32>,
    held_out: Option<HeldOut>,
}

/// What was held out, as a model sees it.
pub(super) struct Judged {
    /// Places in the held-out set; those that cannot be read are not among them.
    pub(super) indices: Vec<usize>,
    /// `(images, classes)`.
    pub(super) probabilities: Vec<f32>,
    /// The classes of each.
    pub(super) truths: Vec<Vec<usize>>,
}

impl<'a, B: Backend> Classification<'a, B> {
    /// The task of a configuration over `images`; the model is called `name`.
    ///
    /// # Errors
    /// Where the model's sizes do not fit.
    pub fn new(
        name: &'a str,
        config: &'a Classify,
        backend: &'a B,
        images: &Images,
        held_out: Option<Images>,
    ) -> Result<Self> {
        let model = ImageClassifier::new(&config.encoder, config.labels.len())?;
        let balanced = config.weighting == Weighting::Balanced;
        let is_fixed = config.frozen && config.pipeline().is_fixed() && config.mix == Default::default();
        Ok(Self {
            name,
            config,
            model,
            backend,
            tape: ImageTape::new(backend, if config.frozen { Keep::Inputs } else { Keep::All }),
            weights: balanced.then(|| weights::balanced(images.as_ref(), config.labelling)),
            features: is_fixed.then(|| Features::new(images.len(), config.encoder.features())),
            d_logits: Vec::new(),
            held_out: held_out.map(|images| HeldOut::new(images, config.recipe.max_unreadable)),
        })
    }

    /// Reads the held-out images once where some may be unreadable, beside the files `others` that were left out already.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where they are too many.
    pub fn read_held_out(&mut self, others: &[Unreadable]) -> Result<()> {
        self.held_out.as_mut().map_or(Ok(()), |held_out| held_out.read_once(others))
    }

    /// The held-out images that cannot be read, as far as was seen.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.held_out.as_ref().map_or(Vec::new(), HeldOut::unreadable)
    }

    /// The model.
    pub fn model(&self) -> &ImageClassifier {
        &self.model
    }

    /// The held-out images through the model; `None` where there are none.
    pub(super) fn judged(&mut self, params: &B::Slice) -> Result<Option<Judged>> {
        let (config, classes) = (self.config, self.model.classes());
        let Some(held_out) = &mut self.held_out else { return Ok(None) };
        let mut judged = Judged { indices: Vec::new(), probabilities: Vec::new(), truths: Vec::new() };
        let all: Vec<usize> = (0..held_out.len()).collect();
        for part in all.chunks(BATCH) {
            let (mut pixels, mut count) = (Vec::new(), 0);
            for &at in part {
                let Some(image) = held_out.tensor(at, &config.preprocess)? else { continue };
                let name = held_out.images().name(at);
                let labels = held_out.images().labels(at);
                let none = || Error::data(name.as_ref(), "has no class, so it cannot be measured on");
                judged.truths.push(labels.ok_or_else(none)?);
                judged.indices.push(at);
                pixels.extend(image);
                count += 1;
            }
            if count > 0 {
                let pass = Pass::inference();
                judged.probabilities.extend(self.model.forward(
                    self.backend,
                    params,
                    &pixels,
                    count,
                    &pass,
                    &mut self.tape,
                ));
                self.backend.check()?;
            }
        }
        if judged.indices.is_empty() {
            return Err(held_out.refusal());
        }
        match config.labelling {
            Labelling::Single => softmax(&mut judged.probabilities, classes),
            Labelling::Multi => sigmoid(&mut judged.probabilities),
        }
        Ok(Some(judged))
    }

    /// What is minimised, of logits; its gradient stays in `d_logits`.
    fn loss(&mut self, logits: &[f32], targets: &[f32]) -> f64 {
        let (classes, weights) = (self.model.classes(), self.weights.as_deref());
        let loss = match self.config.labelling {
            Labelling::Single => cross_entropy,
            Labelling::Multi => binary_cross_entropy,
        };
        loss(logits, targets, classes, weights, &mut self.d_logits)
    }

    /// The labels of a batch with some of their weight spread: over all classes, or between yes and no.
    fn targets(&self, batch: &Batch) -> Result<Vec<f32>> {
        let (classes, spread) = (self.model.classes(), self.config.smoothing as f32);
        let even = match self.config.labelling {
            Labelling::Single => 1.0 / classes as f32,
            Labelling::Multi => 0.5,
        };
        let mut targets = Vec::with_capacity(classes * batch.targets.len());
        for target in &batch.targets {
            if target.label.len() != classes {
                let found = target.label.len();
                return Err(Error::config(format!("an image has {found} labels for {classes} outputs")));
            }
            targets.extend(target.label.iter().map(|share| share * (1.0 - spread) + spread * even));
        }
        Ok(targets)
    }
}

impl<B: Backend> Task<B> for Classification<'_, B> {
    fn layout(&self) -> &Layout {
        self.model.layout()
    }

    /// # Randomness
    /// Drop-path: `Pass::training(seed, batch)`.
    fn forward(&mut self, params: &B::Slice, batch: &Batch, place: Place) -> Result<Loss> {
        let targets = self.targets(batch)?;
        let (count, backend) = (batch.indices.len(), self.backend);
        let logits = if let Some(features) = &mut self.features {
            let values = batch.images.len() / count.max(1);
            let encoder = self.model.encoder();
            let pooled = features.of(&batch.indices, |missing| {
                let part = |&at: &usize| &batch.images[at * values..(at + 1) * values];
                let images: Vec<f32> = missing.iter().flat_map(part).copied().collect();
                encoder.pooled(backend, params, &images, missing.len(), &mut Tape::new(backend, Keep::Inputs))
            });
            self.model.forward_pooled(backend, params, &pooled, count, &mut self.tape)
        } else {
            let pass = if self.config.frozen { Pass::inference() } else { Pass::training(place.seed, place.batch) };
            self.model.forward(backend, params, &batch.images, count, &pass, &mut self.tape)
        };
        Ok(Loss { total: self.loss(&logits, &targets), terms: Vec::new() })
    }

    fn backward(&mut self, params: &B::Slice, grads: &mut B::Slice) -> Result<()> {
        let d_logits = std::mem::take(&mut self.d_logits);
        self.model.backward(self.backend, params, grads, &d_logits, self.config.frozen, &mut self.tape);
        self.d_logits = d_logits;
        Ok(self.backend.check()?)
    }

    /// Top-1 accuracy or mean average precision decides.
    fn evaluate(&mut self, params: &B::Slice) -> Result<Vec<Metric>> {
        let Some(judged) = self.judged(params)? else { return Ok(Vec::new()) };
        let figures = measure(&judged.probabilities, &judged.truths, self.model.classes(), self.config.labelling)?;
        let metric =
            |name: &'static str, value: Option<f64>| value.map(|value| Metric { name, value, higher_is_better: true });
        let metrics = match figures {
            None => Vec::new(),
            Some(Figures::Single(single)) => vec![
                metric("val_top1", Some(single.top1)),
                metric("val_top5", Some(single.top5)),
                metric("val_macro_f1", single.macro_f1),
            ],
            Some(Figures::Several(several)) => vec![
                metric("val_map", Some(several.average_precision.macro_.unwrap_or(0.0))),
                metric("val_map_micro", several.average_precision.micro),
                metric("val_f1_micro", several.decisions.micro.f1),
            ],
        };
        Ok(metrics.into_iter().flatten().collect())
    }

    fn save(&self, params: &[f32], folder: &Path) -> Result<()> {
        let Classify { encoder, labels, labelling, adapted, preprocess, .. } = self.config;
        let spec = ModelSpec::classifier(self.name, encoder.clone(), labels, *labelling, adapted.clone());
        write_classifier(folder, &spec, &self.model, params, preprocess)
    }
}
