//! Records of a run.

mod jsonl;

pub use jsonl::JsonLines;
