//! What the training loop knows of a task: parameters, a loss with its gradient, a judgement, and what to leave behind.

use std::path::Path;

use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::nn::params::Layout;

use crate::datasets::Batch;
use crate::error::Result;

/// Something that can be trained. Pre-training is one; so is every head.
///
/// It computes on the device `B`. The loop owns the parameters and calls [`Task::forward`] and [`Task::backward`] in turn; between the two a task keeps
/// what backward needs.
pub trait Task<B: Backend = Cpu> {
    /// Where each parameter lies in the flat buffer.
    fn layout(&self) -> &Layout;

    /// The loss of one batch.
    ///
    /// # Errors
    /// Where the batch does not fit the model.
    ///
    /// # Randomness
    /// Streams named by `place` only, so that a resumed run draws the same numbers.
    fn forward(&mut self, params: &B::Slice, batch: &Batch, place: Place) -> Result<Loss>;

    /// Begins to bring the batch of the next [`Task::forward`] to the device, while that is at this one's backward. A task
    /// that does nothing loses time and nothing else.
    ///
    /// # Errors
    /// Where the batch does not fit the model.
    fn prepare(&mut self, next: &Batch) -> Result<()> {
        let _ = next;
        Ok(())
    }

    /// Backward of the last [`Task::forward`]: adds to `grads`.
    ///
    /// # Errors
    /// Those of the operations.
    fn backward(&mut self, params: &B::Slice, grads: &mut B::Slice) -> Result<()>;

    /// Measures on images held out; empty where there are none. The first metric decides which parameters are best.
    ///
    /// # Errors
    /// Where an image cannot be read.
    fn evaluate(&mut self, params: &B::Slice) -> Result<Vec<Metric>>;

    /// Writes a model folder that others can use. The parameters are the host's.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn save(&self, params: &[f32], folder: &Path) -> Result<()>;
}

/// Where a batch stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The run's seed.
    pub seed: u64,
    /// The update, counted from 0.
    pub step: u64,
    /// The batch, counted from 0 over all updates.
    pub batch: u64,
    /// Images of this update in earlier batches.
    pub first: u64,
}

/// A loss and the terms it is the weighted sum of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// What is minimised.
    pub total: f64,
    /// The terms by their names in the log, such as `loss_re`; always the same ones in the same order.
    pub terms: Vec<(&'static str, f64)>,
}

impl Loss {
    /// The mean over batches of one size.
    pub fn mean(losses: &[Self]) -> Self {
        let n = losses.len().max(1) as f64;
        let names = losses.first().map(|loss| loss.terms.as_slice()).unwrap_or_default();
        let term = |at: usize| losses.iter().map(|loss| loss.terms[at].1).sum::<f64>() / n;
        Self {
            total: losses.iter().map(|loss| loss.total).sum::<f64>() / n,
            terms: names.iter().enumerate().map(|(at, (name, _))| (*name, term(at))).collect(),
        }
    }

    /// The first term that is no finite number; the total where only the sum overflowed.
    pub fn not_finite(&self) -> Option<(&'static str, f64)> {
        let total = ("loss", self.total);
        let mut all = self.terms.iter().copied().chain([total]);
        all.find(|(_, value)| !value.is_finite())
    }
}

/// A figure measured on held-out images.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name in the log, such as `val_loss_re`.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// True where more is better.
    pub higher_is_better: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_averaged_by_name_and_the_first_bad_one_is_named() {
        let loss = |total, re, sc| Loss { total, terms: vec![("loss_re", re), ("loss_sc", sc)] };
        assert_eq!(Loss::mean(&[loss(3.0, 1.0, 2.0), loss(5.0, 3.0, 2.0)]), loss(4.0, 2.0, 2.0));
        assert_eq!(loss(3.0, 1.0, 2.0).not_finite(), None);
        assert_eq!(loss(f64::INFINITY, 1.0, f64::INFINITY).not_finite(), Some(("loss_sc", f64::INFINITY)));
        assert_eq!(loss(f64::INFINITY, 1.0, 2.0).not_finite(), Some(("loss", f64::INFINITY)));
    }
}
