//! What a run leaves behind, and where.

mod model;
mod output;

pub use model::write_model;
pub use output::OutputFolder;
