//! What can go wrong in this crate.

use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core refused.
    #[error(transparent)]
    Core(#[from] preco_core::error::Error),
    /// STUB
    #[error("{0}")]
    Folder(String),
    /// A setting of a run cannot be used.
    #[error("{what}")]
    Setting {
        /// The setting, its value and what would do.
        what: String,
    },
    /// The run's folder cannot be written, or holds a run already.
    #[error("{}: {reason}", path.display())]
    Output {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file of a run could not be written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Loss or gradient are no longer numbers. The parameters are those of the step before, and nothing is saved.
    #[error(
        "{what} became {value} at step {step}{}. Lower the learning rate or lengthen the warm-up",
        first_in(segment)
    )]
    Diverged {
        /// The loss or the gradient.
        what: &'static str,
        /// NaN or infinity.
        value: f64,
        /// Counted from 1.
        step: u64,
        /// The first segment whose gradient is bad, in the order of the network.
        segment: Option<String>,
    },
    /// The optimiser refused its settings.
    #[error(transparent)]
    Optim(#[from] crate::optim::Error),
    /// The schedule refused its settings.
    #[error(transparent)]
    Schedule(#[from] crate::schedule::Error),
}

impl Error {
    /// A setting that cannot be used.
    pub(crate) fn setting(what: impl Into<String>) -> Self {
        Self::Setting { what: what.into() }
    }
}

fn first_in(segment: &Option<String>) -> String {
    segment.as_ref().map(|name| format!(", first in {name}")).unwrap_or_default()
}
