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
    let distance = |entry: &Entry| edits(name, entry.name);
    let least = registry.iter().map(distance).min().filter(|least| *least <= name.len() / 3);
    let similar = registry.iter().filter(|entry| Some(distance(entry)) == least).map(|entry| entry.name).collect();
    Error::Unknown { name: name.to_owned(), known: registry.len(), similar }
}

/// Letters to insert, delete or change (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!([edits("", "abc"), edits("swin", "swin"), edits("kitten", "sitting")], [3, 0, 3]);
    }

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
