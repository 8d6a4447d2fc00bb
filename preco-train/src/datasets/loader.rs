//! Batches for training steps, made ahead of time on background threads.
//!
//! What a step sees is a function of the seed and the step alone: the epoch's order is a shuffle drawn from
//! `(seed, "order", epoch)`, the sample in slot `i` is transformed by streams `(seed, "augment …", step, i)`, and the batch
//! is mixed by `(seed, "mix", step, 0)`. So the numbers are the same for any number of threads, and a run that resumes at
//! a step continues as if it had never stopped.
//!
//! The slot of an image that cannot be read is filled by the next readable one of the epoch's order, which is a function
//! of seed and position as well. `unreadable.rs` says how many may be missing.

mod cache;
mod prefetch;
mod unreadable;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use preco_core::imagery::Normalise;
use preco_core::rng::Stream;

use self::cache::Cache;
use self::prefetch::Prefetch;
use self::unreadable::{Accepted, Known};
use super::{ImageSource, Unreadable};
use crate::augment::{Mix, Pipeline};
use crate::error::{Error, Result};
use crate::sample::{Sample, Supervision, Target};

/// How batches are made.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Images in a batch.
    pub batch: usize,
    /// The run's seed.
    pub seed: u64,
    /// Background threads, each of which makes a whole batch; with 0 the caller's thread makes it.
    pub threads: usize,
    /// Decoded images are kept in memory up to this many bytes; those that no longer fit are decoded each time.
    pub cache_bytes: u64,
    /// Images that may turn out unreadable; they are reported and replaced. The first beyond this many is an error.
    pub max_unreadable: usize,
    /// What the task learns from.
    pub supervision: Supervision,
    /// What happens to each sample. Whatever its size was, it must come out as `size`.
    pub pipeline: Pipeline,
    /// `[height, width]` of the images in a batch.
    pub size: [usize; 2],
    /// The values.
    pub normalise: Normalise,
    /// What happens to the images of a batch and their labels, after all else.
    pub mix: Mix,
}

/// What one step sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `(N, bands, H, W)`, normalised.
    pub images: Vec<f32>,
    /// The labels of each image.
    pub targets: Vec<Target>,
    /// Which images of the source they are views of.
    pub indices: Vec<usize>,
}

/// Makes the batch of any step; steps in order are made ahead of time. Dropping it stops its threads.
pub struct Loader {
    maker: Arc<Maker>,
    prefetch: Option<Prefetch>,
    accepted: Accepted,
    waited: Duration,
}

/// A batch, and the unreadable images that were met on the way.
struct Made {
    batch: Batch,
    unreadable: Vec<usize>,
}

impl Loader {
    /// A loader of `source`.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty source, a batch of 0, a transform out of range, or mixing of images whose labels
    /// cannot be mixed.
    pub fn new(source: Arc<dyn ImageSource + Send + Sync>, config: LoaderConfig) -> Result<Self> {
        config.pipeline.check()?;
        config.mix.check()?;
        if config.mix != Mix::default() && config.supervision != Supervision::Label {
            return Err(Error::config(
                "mixup and CutMix mix the labels of whole images; turn them off for a task that learns from anything else",
            ));
        }
        if source.is_empty() || config.batch == 0 {
            return Err(Error::config(format!(
                "cannot make batches of {} from {} images: both must be at least 1",
                config.batch,
                source.len()
            )));
        }
        let [height, width] = config.size;
        let view = height
            .checked_mul(width)
            .and_then(|pixels| pixels.checked_mul(config.normalise.bands() * size_of::<f32>()));
        if view.is_none_or(|bytes| bytes == 0 || config.batch > isize::MAX as usize / bytes) {
            return Err(Error::config(format!("a batch of {} views of {width}x{height} fits no memory", config.batch)));
        }
        let cache = Cache::new(source.len(), config.cache_bytes);
        let accepted = Accepted::new(config.max_unreadable);
        let maker = Arc::new(Maker { source, cache, known: Known::default(), order: Mutex::default(), config });
        let prefetch = (maker.config.threads > 0)
            .then(|| {
                let maker = Arc::clone(&maker);
                Prefetch::start(maker.config.threads, move |step| maker.batch(step))
            })
            .transpose()?;
        Ok(Self { maker, prefetch, accepted, waited: Duration::ZERO })
    }

    /// Steps in an epoch. What remains after the last full batch is left out until the next shuffle; a set smaller than
    /// a batch is one step, in which images repeat in the epoch's order.
    pub fn steps_per_epoch(&self) -> u64 {
        self.maker.steps_per_epoch()
    }

    /// The batch of `step`, counted from 0 over all epochs. The first call may name any step; a step out of order
    /// throws away what was made ahead.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with the files, where more than may be missing are missing; the source's error where an image
    /// has no labels and none may be missing.
    pub fn batch(&mut self, step: u64) -> Result<Batch> {
        let began = Instant::now();
        let made = match &mut self.prefetch {
            Some(prefetch) => prefetch.take(step),
            None => self.maker.batch(step),
        };
        self.waited += began.elapsed();
        let Made { batch, unreadable } = made.map_err(|error| self.accepted.complete(error))?;
        // Here and not where the batch is made: steps are taken in order, whatever thread made them.
        self.accepted.add(&unreadable, &self.maker.known)?;
        Ok(batch)
    }

    /// How many different images could not be read and were replaced so far.
    pub fn skipped(&self) -> usize {
        self.accepted.len()
    }

    /// Those images, in order.
    pub fn accepted(&self) -> Vec<usize> {
        self.accepted.indices()
    }

    /// Counts `indices` as met before the first batch: a resumed run passes over them, as it did, without a new attempt.
    ///
    /// # Panics
    /// Where an index is not below the source's length.
    pub fn accept(&mut self, indices: &[usize]) {
        for &index in indices {
            self.maker.known.add(index, format!("{} (before the run was resumed)", self.maker.source.name(index)));
        }
        self.accepted.restore(indices);
    }

    /// Counts files that were left out before the loader was made against the images that may turn out unreadable.
    pub fn count_unreadable(&mut self, others: Vec<Unreadable>) {
        self.accepted.count(others);
    }

    /// How long all calls of [`Loader::batch`] took together: the time that steps waited for data.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// Everything that a batch is a function of.
struct Maker {
    source: Arc<dyn ImageSource + Send + Sync>,
    cache: Cache,
    known: Known,
    /// The last epoch that was shuffled, and its order.
    order: Mutex<Option<(u64, Arc<Vec<usize>>)>>,
    config: LoaderConfig,
}

impl Maker {
    fn steps_per_epoch(&self) -> u64 {
        (self.source.len() / self.config.batch).max(1) as u64
    }

    fn batch(&self, step: u64) -> Result<Made> {
        let LoaderConfig { batch, seed, size, normalise, mix, .. } = &self.config;
        let order = self.order(step / self.steps_per_epoch());
        let first = (step % self.steps_per_epoch()) as usize * batch;
        let length = normalise.bands() * size[0] * size[1];
        let mut images = vec![0.0; length * batch];
        let (mut targets, mut indices) = (Vec::with_capacity(*batch), Vec::with_capacity(*batch));
        let mut unreadable = Vec::new();
        for (slot, out) in images.chunks_exact_mut(length).enumerate() {
            let (index, sample) = self.readable(&order, first + slot, &mut unreadable)?;
            let (view, target) = self.view(index, &sample, step, slot as u64)?.into_owned().into_parts();
            normalise.to_tensor(&view, out);
            targets.push(target);
            indices.push(index);
        }
        let labels = targets.iter_mut().map(|target| &mut target.label).collect();
        mix.apply(&mut images, *size, labels, &mut Stream::new(*seed, "mix", step, 0));
        Ok(Made { batch: Batch { images, targets, indices }, unreadable })
    }

    /// The sample as training sees it.
    fn view<'a>(&self, index: usize, sample: &'a Sample, step: u64, slot: u64) -> Result<Cow<'a, Sample>> {
        let LoaderConfig { pipeline, seed, size: [height, width], normalise, .. } = &self.config;
        if sample.image.bands() != normalise.bands() {
            return Err(Error::bands(&self.source.name(index), sample.image.bands(), normalise.bands()));
        }
        let view = pipeline.apply(Cow::Borrowed(sample), *seed, step, slot)?;
        let (have_width, have_height) = (view.image.width(), view.image.height());
        if (have_width, have_height) != (*width, *height) {
            return Err(Error::config(format!(
                "the view of {} is {have_width}x{have_height}, images of a batch are {width}x{height}; end the transforms \
                 with a crop of that size",
                self.source.name(index)
            )));
        }
        Ok(view)
    }

    /// The first readable image of the epoch's order from `position` on, around its end. Those before it join
    /// `unreadable`, of which there are never more than may be missing.
    fn readable(&self, order: &[usize], position: usize, unreadable: &mut Vec<usize>) -> Result<(usize, Arc<Sample>)> {
        for offset in 0..order.len() {
            let index = order[(position + offset) % order.len()];
            if !self.known.has(index) {
                match self.cache.get(index, || self.source.sample(index, self.config.supervision)) {
                    Ok(sample) => return Ok((index, sample)),
                    // A file without labels is readable: where none may be missing the source's own error says more.
                    Err(error @ Error::Data { .. }) if self.config.max_unreadable == 0 => return Err(error),
                    Err(error) => self.known.add(index, error.to_string()),
                }
            }
            if !unreadable.contains(&index) {
                unreadable.push(index);
            }
            if unreadable.len() > self.config.max_unreadable {
                break;
            }
        }
        Err(self.known.refusal(unreadable.iter(), self.config.max_unreadable))
    }

    /// The order of an epoch.
    fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut last = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, order)) if *known == epoch => Arc::clone(order),
            _ => {
                let mut order: Vec<usize> = (0..self.source.len()).collect();
                Stream::new(self.config.seed, "order", epoch, 0).shuffle(&mut order);
                let order = Arc::new(order);
                *last = Some((epoch, Arc::clone(&order)));
                order
            }
        }
    }
}

#[cfg(test)]
mod tests;
