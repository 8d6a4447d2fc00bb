//! Records of a run: lines of JSON for programs, TensorBoard's event files for eyes.

mod jsonl;
mod steps;
mod tensorboard;

pub use jsonl::JsonLines;
pub use steps::{Steps, read_steps};
pub use tensorboard::EventFile;
