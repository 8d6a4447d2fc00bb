//! The published PReCo checkpoints: facts about each, and the files of the smallest.
//!
//! A folder of `models/` is a repository in the hub's layout: `README.md` (the card), `config.json`,
//! `preprocessor_config.json`, `model.safetensors`, `SHA256SUMS`. `preco-cli models publish` writes them. The table says
//! nothing that a folder does not say as well; tests compare them.

/// A published checkpoint. Nothing has a default: what changes pixels or rights must be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// What people call it, such as `preco-swin-tiny`.
    pub name: &'static str,
    /// The commit or tag of the repository it lies in; `embedded` for what this crate holds.
    pub revision: &'static str,
    /// Its files, by name.
    pub files: &'static [File],
    /// The weights' licence as an SPDX expression.
    pub licence: &'static str,
    /// What it was trained on, and under which licence that is.
    pub training_data: &'static str,
    /// The command that trained it.
    pub command: &'static str,
    /// The commit of the code.
    pub commit: &'static str,
    /// What was measured.
    pub figures: &'static [Figure],
    /// True for weights that show that the program works and nothing more.
    pub is_toy: bool,
}

/// A file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the repository.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// The file itself, where this crate holds it.
    pub content: Option<&'static [u8]>,
}

/// A measured figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub what: &'static str,
    /// The value with its unit.
    pub value: &'static str,
    /// On which split, and with which seed.
    pub split: &'static str,
}

impl Entry {
    /// The file called `name`.
    pub fn file(&self, name: &str) -> Option<&'static File> {
        self.files.iter().find(|file| file.name == name)
    }
}

mod table;

pub use table::REGISTRY;
