//! What can go wrong between a name and its weights.

use std::path::PathBuf;
use std::time::Duration;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
        /// The verb, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A name or an address that names nothing, whatever there is.
    #[error("{name:?} cannot be used: {reason}")]
    Name {
        /// As given.
        name: String,
        /// What a name is.
        reason: String,
    },
    /// Neither a folder nor a published name.
    #[error("{name:?} is no folder, and {}{}", published(*known), near(similar))]
    Unknown {
        /// As given.
        name: String,
        /// How many checkpoints are published.
        known: usize,
        /// Published names like it, nearest first.
        similar: Vec<String>,
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
    #[error("{} has {found}, published is {wanted}: it was changed or cut off; get it again", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// Of what was published.
        wanted: String,
    },
    /// A text of ours (registry, card, index, digests) says something impossible.
    #[error("{}: {reason}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong in it and what would be right.
        reason: String,
    },
    /// A file of embeddings is none, or is damaged.
    #[error("{}: {reason}", path.display())]
    Embeddings {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A model cannot be published as it is.
    #[error("{what}")]
    Card {
        /// What is missing and how to give it.
        what: String,
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
    /// What is wanted is not on this machine, and the network may not be used.
    #[error("{what} is not in the cache {}, and this is offline: {hint}", cache.display())]
    Offline {
        /// The model or file.
        what: String,
        /// The cache that was searched.
        cache: PathBuf,
        /// How to get it.
        hint: String,
    },
    /// A repository, revision or file that the other side does not have.
    #[error("{place} has no {what}{hint}")]
    NotFound {
        /// The hub or mirror.
        place: String,
        /// What was asked for.
        what: String,
        /// What to look at; begins with its own punctuation.
        hint: String,
    },
    /// The other side does not let this user in.
    #[error("{place} refuses {what}: {hint}")]
    Access {
        /// The hub or mirror.
        place: String,
        /// What was asked for.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Too many requests.
    #[error("{place} takes no more requests for now{}: wait; the Hugging Face hub takes more from who logs in (HF_TOKEN)", after(*retry_after))]
    RateLimited {
        /// The hub or mirror.
        place: String,
        /// When it says to come back.
        retry_after: Option<Duration>,
    },
    /// The connection failed, or the other side did, after every retry.
    #[error("{place}: {reason}. Check the connection and run again; what is finished is kept")]
    Network {
        /// The hub or mirror.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The other side answers what no hub answers, or other bytes than it promised.
    #[error("{place} cannot be trusted with {file}: {reason}")]
    Corrupt {
        /// The hub or mirror.
        place: String,
        /// The file or request.
        file: String,
        /// What it sent and what was promised.
        reason: String,
    },
    /// No room for a file.
    #[error("{} needs {needed_mb} MB and {} has {free_mb} MB free: make room, or set HF_HUB_CACHE to another disk", file, folder.display())]
    Space {
        /// The file.
        file: String,
        /// Where it goes.
        folder: PathBuf,
        /// Megabytes wanted.
        needed_mb: u64,
        /// Megabytes there are.
        free_mb: u64,
    },
    /// A registry tells of a model whose files are nowhere.
    #[error(
        "the files of {name} are neither in this program nor beside its registry (models/{name}): let PRECO_REGISTRY name \
         the registry.json of a clone, or --mirror an address that has them"
    )]
    Absent {
        /// The model.
        name: String,
    },
    /// This build cannot do it.
    #[error("{what} needs the cargo feature {feature} of preco-zoo, which this program was built without")]
    Feature {
        /// What was asked for.
        what: String,
        /// The feature.
        feature: &'static str,
    },
}

impl Error {
    /// An error of the file system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// An error in a text of ours.
    pub(crate) fn text(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Text { path: path.into(), reason: reason.into() }
    }
}

fn published(known: usize) -> String {
    match known {
        0 => "there are no published weights yet: give the folder of a run".to_owned(),
        1 => "the one published model is not called so".to_owned(),
        _ => format!("none of the {known} published models is called so"),
    }
}

fn near(similar: &[String]) -> String {
    if similar.is_empty() { String::new() } else { format!("; did you mean {}?", similar.join(" or ")) }
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after.map(|pause| format!(" and says to come back in {} s", pause.as_secs())).unwrap_or_default()
}

fn names(what: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is {what}. "),
        [first, .., last] => format!("{} tensors are {what}, from {first} to {last}. ", names.len()),
    }
}
