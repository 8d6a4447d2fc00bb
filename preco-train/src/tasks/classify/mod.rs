//! Fine-tuning a classifier of whole images: one class for each (EuroSAT), or any number (BigEarthNet).
//!
//! [`Classify`] says everything a run depends on, [`run`] does it and leaves a model folder, checkpoints, a log, figures
//! and a report. [`Classification`] is the task as the loop sees it; [`measure`] judges any classifier's probabilities.

mod config;
mod features;
mod judge;
mod page;
mod run;
mod task;
mod weights;

pub use config::{Classify, Weighting};
pub use judge::{Figures, Several, Single, measure};
pub use run::run;
pub use task::Classification;
