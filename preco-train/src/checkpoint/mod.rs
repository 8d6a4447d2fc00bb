//! What a run leaves behind, and where.

pub(crate) mod file;
mod folder;
mod model;
mod store;

pub use folder::{RunFolder, Start};
pub use model::{write_classifier, write_model};
pub use store::{CHECKPOINTS, Store};
