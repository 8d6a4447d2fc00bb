//! Names and folders.

use std::path::Path;

use preco_weights::{Entry, REGISTRY};

use crate::error::{Error, Result};
use crate::load::ModelFolder;

/// The model at a path or under a published name. What exists as a path is a path.
///
/// # Errors
/// [`Error::Unknown`] with the names nearest to it; else those of [`ModelFolder::open`].
pub fn find(name: &Path) -> Result<ModelFolder> {
    if name.exists() {
        return ModelFolder::open(name);
    }
    let text = name.to_string_lossy();
    match REGISTRY.iter().find(|entry| entry.name == text) {
        Some(entry) => Err(Error::Remote { name: entry.name, revision: entry.revision }),
        None => Err(unknown(&text, REGISTRY)),
    }
}

fn unknown(name: &str, registry: &[Entry]) -> Error {
    let distance = |entry: &Entry| strsim::levenshtein(name, entry.name);
    let least = registry.iter().map(distance).min().filter(|least| *least <= name.len() / 3);
    let similar = registry.iter().filter(|entry| Some(distance(entry)) == least).map(|entry| entry.name).collect();
    Error::Unknown { name: name.to_owned(), known: registry.len(), similar }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_those_like_it() {
        let entry = |name| Entry { name, revision: "v1", sha256: "", bytes: 1, licence: "MIT", is_toy: true };
        let registry = [entry("preco-swin-base"), entry("preco-swin-tiny")];
        let error = unknown("preco-swin-tinny", &registry).to_string();
        assert!(error.ends_with("did you mean preco-swin-tiny?"), "{error}");
        let error = find(Path::new("preco-swin-tiny-1")).expect_err("unknown").to_string();
        assert!(error.contains("no published weights yet"), "{error}");
    }
}
