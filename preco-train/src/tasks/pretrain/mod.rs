//! Pre-training an encoder on images without labels.
//!
//! [`Pretrain`] says everything a run depends on, [`run`] does it and leaves a model folder, a log and two pictures.

mod config;
mod pictures;
mod run;

pub use config::{Length, Pretrain, Warmup};
pub use run::{Inputs, Losses, Outcome, run};
