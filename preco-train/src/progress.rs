//! How a run tells someone that it is alive. Libraries never print; the caller decides what becomes of this.

use serde::Serialize;

/// One step, as shown and as written to `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Updates done, counted from 1.
    pub step: u64,
    /// Passes over the data so far, in fractions.
    pub epoch: f64,
    /// What was minimised: the weighted sum of the terms.
    pub loss: f64,
    /// L_Re, of the masked branch.
    pub loss_re: f64,
    /// L_Pr, of the prompt branch; absent without one.
    pub loss_pr: Option<f64>,
    /// L_Sc, the consistency; absent without a prompt branch.
    pub loss_sc: Option<f64>,
    /// The learning rate of this update.
    pub lr: f64,
    /// The gradient's norm before clipping.
    pub grad_norm: f64,
    /// Images per second of this step, loading included.
    pub images_per_s: f64,
}

/// Receives what happens during a run.
pub trait Progress {
    /// The run will take `steps` updates.
    fn begin(&mut self, steps: u64);
    /// An update is done.
    fn step(&mut self, report: &StepReport);
    /// Something worth a line.
    fn message(&mut self, text: &str);
}

/// Hears nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: u64) {}
    fn step(&mut self, _: &StepReport) {}
    fn message(&mut self, _: &str) {}
}
