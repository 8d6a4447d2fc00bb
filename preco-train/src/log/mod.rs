//! Records of a run.

mod jsonl;
mod records;

pub use jsonl::{JsonLines, read_steps};
pub use records::Records;

/// Placeholder until TensorBoard's writer is merged.
pub(crate) struct EventFile;
impl EventFile {
    pub(crate) fn create(_: &std::path::Path, _: Option<u64>) -> crate::error::Result<Self> {
        Ok(Self)
    }
    pub(crate) fn scalars(&mut self, _: u64, _: &[(&str, f64)]) -> crate::error::Result<()> {
        Ok(())
    }
}
