//! Model names to weights.
//!
//! [`find`] takes a name or a folder; a [`ModelFolder`] knows its spec and lays its tensors over a model's parameters.

mod error;
mod load;
mod registry;

pub use error::{Error, Result};
pub use load::ModelFolder;
pub use registry::find;
