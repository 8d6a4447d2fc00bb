//! Model names to weights.
//!
//! [`find`] takes a name or a folder; a [`ModelFolder`] knows its spec and lays its tensors over a model's parameters.
//! [`published`] are the models that have a name, [`verify()`] compares their files with their digests, and [`publish`] makes
//! such a folder of a run.

mod digest;
mod error;
mod load;
pub mod publish;
mod registry;
mod verify;

pub use digest::sha256;
pub use error::{Error, Result};
pub use load::ModelFolder;
pub use preco_weights::{Entry, Figure, File};
pub use registry::{entry, find, published};
pub use verify::{Checked, verify};
