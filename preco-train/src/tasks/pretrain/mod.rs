//! Pre-training an encoder on images without labels.
//!
//! [`Pretrain`] says everything a run depends on, [`run`] does it and leaves a model folder, checkpoints, a log, a
//! report and two pictures. [`Pretraining`] is the task as the loop sees it.

mod config;
mod page;
mod pictures;
mod run;
mod task;
mod terms;

pub use config::Pretrain;
pub use pictures::{EXAMPLES, reconstructions};
pub use run::run;
pub use task::Pretraining;
pub use terms::TERMS;
