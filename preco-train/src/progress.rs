//! How a run tells someone that it is alive. Libraries never print; the caller decides what becomes of this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One step, as shown and as written to `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Updates done, counted from 1.
    pub step: u64,
    /// Passes over the data so far, in fractions.
    pub epoch: f64,
    /// What was minimised: the weighted sum of the terms.
    pub loss: f64,
    /// The learning rate of this update.
    pub lr: f64,
    /// The gradient's norm before clipping.
    pub grad_norm: f64,
    /// Images per second of this step, loading included.
    pub images_per_s: f64,
    /// The share of this step spent waiting for images.
    pub wait: f64,
    /// Memory the process held, in megabytes; 0 where the system does not say.
    pub memory_mb: f64,
    /// The terms of the loss by name, such as `loss_re`, before their weights.
    #[serde(flatten)]
    pub terms: BTreeMap<String, f64>,
}

/// One evaluation, as shown and as written to `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Updates done.
    pub step: u64,
    /// True where no earlier evaluation was better.
    pub is_best: bool,
    /// The metrics by name, such as `val_loss_re`.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

/// Receives what happens during a run.
pub trait Progress {
    /// The run has done `done` of `steps` updates.
    fn begin(&mut self, done: u64, steps: u64);
    /// An update is done.
    fn step(&mut self, report: &StepReport);
    /// Held-out images were measured.
    fn evaluation(&mut self, report: &EvaluationReport);
    /// Something worth a line.
    fn message(&mut self, text: &str);
}

/// Hears nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: u64, _: u64) {}
    fn step(&mut self, _: &StepReport) {}
    fn evaluation(&mut self, _: &EvaluationReport) {}
    fn message(&mut self, _: &str) {}
}
