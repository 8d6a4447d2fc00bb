//! Records of a run.

mod jsonl;
mod records;
mod tensorboard;

pub use jsonl::{JsonLines, read_evaluations, read_steps};
pub use records::Records;
pub use tensorboard::EventFile;
