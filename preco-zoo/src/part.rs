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

    /// The files that this part cannot do without, where all of them are in `folder`.
    pub(crate) fn needed_in(self, folder: &Path) -> Option<Vec<String>> {
        let mut files = vec![CONFIG_FILE.to_owned(), PREPROCESSOR_FILE.to_owned()];
        if self == Self::All && folder.join(ENCODER_FILE).exists() {
            files.push(ENCODER_FILE.to_owned());
        } else if self == Self::All {
            let path = folder.join(INDEX_FILE);
            let index = Index::parse(&std::fs::read_to_string(&path).ok()?, &path).ok()?;
            files.push(INDEX_FILE.to_owned());
            files.extend(index.shards().into_iter().map(str::to_owned));
        }
        files.iter().all(|file| folder.join(file).exists()).then_some(files)
    }
}
