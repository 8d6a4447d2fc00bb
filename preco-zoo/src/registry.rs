//! Names to models: published names, and folders.

use std::path::Path;

use preco_weights::{Entry, REGISTRY};

use crate::error::{Error, Result};
use crate::load::ModelFolder;

/// How many names an answer to an unknown one gives.
const NEAREST: usize = 3;

/// All published models.
pub fn published() -> &'static [Entry] {
    REGISTRY
}

/// The published model called `name`.
///
/// # Errors
/// [`Error::Unknown`] with the three names nearest to it.
pub fn entry(name: &str) -> Result<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name).ok_or_else(|| unknown(name, REGISTRY))
}

/// The model at a path or under a published name. What exists as a path is a path.
///
/// # Errors
/// [`Error::Unknown`] with the names nearest to it; else those of [`ModelFolder::open`] and [`ModelFolder::embedded`].
pub fn find(name: &Path) -> Result<ModelFolder> {
    if name.exists() {
        return ModelFolder::open(name);
    }
    ModelFolder::embedded(entry(&name.to_string_lossy())?)
}

fn unknown(name: &str, registry: &[Entry]) -> Error {
    let mut names: Vec<&'static str> = registry.iter().map(|entry| entry.name).collect();
    names.sort_by_key(|known| strsim::damerau_levenshtein(name, known));
    names.truncate(NEAREST);
    Error::Unknown { name: name.to_owned(), known: registry.len(), similar: names }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &'static str) -> Entry {
        let (revision, licence) = ("v1", "MIT");
        let (files, figures): (&[_], &[_]) = (&[], &[]);
        Entry { name, revision, files, licence, training_data: "", command: "", commit: "", figures, is_toy: true }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_three_nearest() {
        let names = ["preco-swin-base", "preco-swin-large", "preco-swin-small", "preco-swin-tiny"];
        let error = unknown("preco-swin-tinny", &names.map(made)).to_string();
        assert!(error.contains("did you mean preco-swin-tiny or "), "{error}");
        assert_eq!(error.matches("preco-swin-").count(), 4, "{error}");
        find(Path::new("preco-swin-pica")).expect_err("unknown");
    }

    #[test]
    fn every_published_model_that_is_carried_opens_and_has_finite_weights() {
        for entry in published().iter().filter(|entry| entry.revision == "embedded") {
            let model = find(Path::new(entry.name)).expect(entry.name);
            assert_eq!(model.spec().name, entry.name);
            let mut layout = preco_core::nn::params::Layout::default();
            preco_core::backbones::swin::Swin::new(&model.spec().backbone, &mut layout).expect("encoder");
            let mut params = vec![f32::NAN; layout.len()];
            model.overlay_encoder(&layout, &mut params).expect("weights");
            for segment in layout.segments() {
                assert!(params[segment.range.clone()].iter().all(|value| value.is_finite()), "{}", segment.name);
            }
        }
    }
}
