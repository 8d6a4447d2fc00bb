//! `model.safetensors.index.json`: which of a model's files holds which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::is_relative;

/// The index's file.
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";

/// An index of shards, as the hub's libraries write it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Facts about the whole.
    pub metadata: Metadata,
    /// The file of each tensor.
    pub weight_map: BTreeMap<String, String>,
}

/// Facts about all shards together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The tensors' bytes; absent in some writers' files.
    #[serde(default)]
    pub total_size: Option<f64>,
}

impl Index {
    /// Reads an index, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Text`] where it is none, is empty, or names a file that is no safetensors file beside it.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let index: Self = serde_json::from_str(text).map_err(|error| Error::text(path, error.to_string()))?;
        if index.weight_map.is_empty() {
            return Err(Error::text(path, "weight_map names no tensor"));
        }
        for (tensor, file) in &index.weight_map {
            if !is_relative(file) || file.contains('/') || !file.ends_with(".safetensors") {
                return Err(Error::text(path, format!("{file:?}, the file of {tensor}, is no shard beside the index")));
            }
        }
        Ok(index)
    }

    /// What [`Index::parse`] reads.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The files, each once, in order.
    pub fn shards(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_lie_beside_their_index() {
        let text = r#"{"metadata": {"total_size": 12.0}, "weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "1.safetensors"}}"#;
        let index = Index::parse(text, Path::new("i.json")).expect("index");
        assert_eq!(index.shards().into_iter().collect::<Vec<_>>(), ["1.safetensors", "2.safetensors"]);
        assert_eq!(Index::parse(&index.to_text(), Path::new("i.json")).expect("again"), index);
        Index::parse(r#"{"metadata": {}, "weight_map": {"a": "1.safetensors"}}"#, Path::new("i.json"))
            .expect("no size");
        for bad in ["../1.safetensors", "/1.safetensors", "a/1.safetensors", "1.bin", "C:1.safetensors", ""] {
            let text = format!(r#"{{"metadata": {{}}, "weight_map": {{"a": {bad:?}}}}}"#);
            let error = Index::parse(&text, Path::new("i.json")).expect_err(bad).to_string();
            assert!(error.contains("i.json") && error.contains("no shard"), "{error}");
        }
        Index::parse(r#"{"metadata": {}, "weight_map": {}}"#, Path::new("i.json")).expect_err("empty");
    }
}
