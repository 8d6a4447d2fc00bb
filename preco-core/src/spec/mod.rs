//! What a model folder says about its weights: `config.json` is a [`ModelSpec`], `preprocessor_config.json` a
//! [`Preprocess`].
//!
//! The root of `config.json` is timm's (`timm.create_model("local-dir:…")` reads it), what timm has no word for stands
//! under `preco`. Reading is strict: a field that is missing, unknown or contradicts another is an error with its name.

mod json;
mod model;
mod preprocess;

pub use model::{Labelling, ModelSpec};
pub use preprocess::Preprocess;

/// The spec's file in a model folder.
pub const CONFIG_FILE: &str = "config.json";
/// The preprocessing's file in a model folder.
pub const PREPROCESSOR_FILE: &str = "preprocessor_config.json";
