//! Which of a repository's files are fetched.

use std::path::Path;

use preco_core::spec::{CONFIG_FILE, PREPROCESSOR_FILE};

use crate::card::{CARD_FILE, FACTS_FILE};
use crate::folder::{DECODER_FILE, ENCODER_FILE};
use crate::index::{INDEX_FILE, Index};
use crate::sums::SUMS_FILE;

/// A part of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What describes it, and none of its weights.
    Descriptions,
    /// All that this crate reads or people look for; not the same weights in other forms.
    All,
}

impl Part {
    /// True for the files that are fetched.
    pub(crate) fn wants(self, file: &str) -> bool {
        let describes = [CARD_FILE, FACTS_FILE, CONFIG_FILE, PREPROCESSOR_FILE, SUMS_FILE].contains(&file);
        let is_shard = file.starts_with("model-") && file.ends_with(".safetensors") && !file.contains('/');
        let is_licence = file.starts_with("LICENSE") || file.starts_with("NOTICE");
        describes
            || (self == Self::All
                && (is_shard || is_licence || [ENCODER_FILE, DECODER_FILE, INDEX_FILE].contains(&file)))
    }

    /// The shards that the index in `folder` names and that are not wanted by their names already.
    #[cfg(feature = "hub")]
    pub(crate) fn other_shards(self, folder: &Path) -> Vec<String> {
        let mut shards = shards(folder).filter(|_| self == Self::All).unwrap_or_default();
        shards.retain(|shard| !self.wants(shard));
        shards
    }

    /// The files that this part cannot do without.
    pub(crate) fn needed(self, folder: &Path) -> Vec<String> {
        let mut files = vec![CONFIG_FILE.to_owned(), PREPROCESSOR_FILE.to_owned()];
        match shards(folder).filter(|_| !folder.join(ENCODER_FILE).exists()) {
            _ if self == Self::Descriptions => {}
            Some(shards) => files.extend(shards.into_iter().chain([INDEX_FILE.to_owned()])),
            None => files.push(ENCODER_FILE.to_owned()),
        }
        files
    }

    /// The first of the files that this part cannot do without and that `folder` lacks.
    #[cfg(feature = "hub")]
    pub(crate) fn missing_in(self, folder: &Path) -> Option<String> {
        self.needed(folder).into_iter().find(|file| !folder.join(file).exists())
    }

    /// The files that this part cannot do without, where all of them are in `folder`.
    pub(crate) fn needed_in(self, folder: &Path) -> Option<Vec<String>> {
        let files = self.needed(folder);
        files.iter().all(|file| folder.join(file).exists()).then_some(files)
    }
}

/// The shards that the index in `folder` names.
fn shards(folder: &Path) -> Option<Vec<String>> {
    let path = folder.join(INDEX_FILE);
    let index = Index::parse(&std::fs::read_to_string(&path).ok()?, &path).ok()?;
    Some(index.shards().into_iter().map(str::to_owned).collect())
}
