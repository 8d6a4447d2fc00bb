//! The published PReCo checkpoints: a table of facts about each, and the files of the smallest.
//!
//! A folder of `models/` is a repository in the hub's layout: `README.md` (the card), `card.toml` (what the card is made
//! of), `config.json`, `preprocessor_config.json`, `model.safetensors`, `SHA256SUMS`. `preco-cli models publish` writes
//! such folders. Nothing here is parsed: `preco-zoo` does that, and its tests compare the table with the folders.

/// The table of published models, in JSON; `preco-zoo` knows its form.
pub const REGISTRY: &str = include_str!("../registry.json");

/// A file of a model that this crate carries: its name in the repository, and its bytes.
pub type Content = (&'static str, &'static [u8]);

/// Declares a model's files, which lie in `models/` under its name.
#[cfg(feature = "carried")]
macro_rules! model {
    ($name:literal: $($file:literal),+) => {
        ($name, &[$(($file, include_bytes!(concat!("../models/", $name, "/", $file)))),+])
    };
}

/// The models whose files are in the program, by name.
#[cfg(feature = "carried")]
const CARRIED: &[(&str, &[Content])] = &[model!("preco-swin-pico":
    "README.md", "SHA256SUMS", "card.toml", "config.json", "model.safetensors", "preprocessor_config.json")];

/// Without the feature `carried`, none.
#[cfg(not(feature = "carried"))]
const CARRIED: &[(&str, &[Content])] = &[];

/// The files of the model called `name`, where the program carries them.
pub fn carried(name: &str) -> Option<&'static [Content]> {
    CARRIED.iter().find(|(known, _)| *known == name).map(|(_, files)| *files)
}
