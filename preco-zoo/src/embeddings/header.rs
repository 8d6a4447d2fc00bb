//! What all rows of a file share.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The model behind a file's vectors, and how they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The model's name.
    pub model: String,
    /// SHA-256 of its weights.
    pub digest: String,
    /// Values of a vector.
    pub length: usize,
    /// How images became inputs: tile size, stride, bands, stretch, and the program's version.
    pub settings: Value,
}
