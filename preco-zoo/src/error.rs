//! What can go wrong between a name and its weights.

use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core could not read a file of the model.
    #[error(transparent)]
    Core(#[from] preco_core::error::Error),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A model's folder lacks a file that it must have.
    #[error(
        "{} is missing: give a model's folder, with config.json, preprocessor_config.json and model.safetensors",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the one that was published.
    #[error("{} has SHA-256 {found}, published is {wanted}: it was changed or cut off; get it again", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// Of what was published.
        wanted: String,
    },
    /// A model cannot be published, or checked, as it is.
    #[error("{what}")]
    Card {
        /// What is missing and how to give it.
        what: String,
    },
    /// Neither a folder nor a published name.
    #[error("{name:?} is no folder, and {}{}", published(*known), near(similar))]
    Unknown {
        /// As given.
        name: String,
        /// How many checkpoints are published.
        known: usize,
        /// Published names like it.
        similar: Vec<&'static str>,
    },
    /// A file's tensors are not the model's.
    #[error("{} does not fit its config.json: {}{}", path.display(), names("missing", missing), names("unexpected", unexpected))]
    Names {
        /// The file.
        path: PathBuf,
        /// In the model only.
        missing: Vec<String>,
        /// In the file only.
        unexpected: Vec<String>,
    },
    /// The folder has an encoder only, and its decoder is needed.
    #[error("{} has no decoder.safetensors: it can be embedded with and fine-tuned, not reconstructed with", path.display())]
    NoDecoder {
        /// The folder.
        path: PathBuf,
    },
    /// The name is published, and this version cannot fetch.
    #[error("{name} is published at revision {revision}; download its folder and give the path")]
    Remote {
        /// The name.
        name: &'static str,
        /// Where.
        revision: &'static str,
    },
}

fn published(known: usize) -> String {
    match known {
        0 => "there are no published weights yet: give the folder of a run".to_owned(),
        _ => format!("none of the {known} published models is called so"),
    }
}

fn near(similar: &[&str]) -> String {
    if similar.is_empty() { String::new() } else { format!("; did you mean {}?", similar.join(" or ")) }
}

fn names(what: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is {what}. "),
        [first, .., last] => format!("{} tensors are {what}, from {first} to {last}. ", names.len()),
    }
}
