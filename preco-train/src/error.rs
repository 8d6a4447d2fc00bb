//! What can go wrong in this crate: what was wrong, the value, and what to do.

use std::path::{Path, PathBuf};

use crate::datasets::{Unreadable, first_few};
use crate::trainer::{Divergence, last_good_checkpoint};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the model or image code.
    #[error(transparent)]
    Core(#[from] preco_core::error::Error),
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A data set is not usable.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The data set's folder or file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// The code that makes batches panicked, which is a defect of a data set's code.
    #[error("making the batch of step {step} panicked: {reason}")]
    Loader {
        /// The step.
        step: u64,
        /// The panic's message.
        reason: String,
    },
    /// More images cannot be read than may be missing, or none can.
    #[error(
        "{count} images cannot be read and {limit} may be missing; fetch them again, remove them, or allow more with \
         --max-unreadable N, or any number with --skip-unreadable: {first}"
    )]
    Unreadable {
        /// How many cannot be read, as far as was seen.
        count: usize,
        /// How many may be missing.
        limit: usize,
        /// The reasons for the first few, which name the files.
        first: String,
    },
    /// Settings that are out of range or do not fit each other.
    #[error("{what}")]
    Config {
        /// The setting, its value and what would fit.
        what: String,
    },
    /// Nothing can be measured by these numbers: a score is none, or a label is no class.
    #[error("{what}")]
    Measure {
        /// Which number, its place, and what would do.
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
    /// Loss or gradient are no longer numbers. The update did not happen; checkpoints stay.
    #[error("{0}")]
    Diverged(Box<Divergence>),
    /// A checkpoint could not be written. Earlier ones stay.
    #[error(
        "the checkpoint of step {step} was not saved: {source}. {}; make room, then continue with --resume",
        last_good_checkpoint(last_good.as_deref())
    )]
    Checkpoint {
        /// Updates done.
        step: u64,
        /// What the run can continue from.
        last_good: Option<PathBuf>,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A run cannot be continued.
    #[error("cannot continue from {}: {reason}", path.display())]
    Resume {
        /// The folder of checkpoints.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The optimiser refused its settings.
    #[error(transparent)]
    Optim(#[from] crate::optim::Error),
    /// The schedule refused its settings.
    #[error(transparent)]
    Schedule(#[from] crate::schedule::Error),
}

impl Error {
    /// A configuration error.
    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into() }
    }

    /// An error of what is measured.
    pub(crate) fn measure(what: impl Into<String>) -> Self {
        Self::Measure { what: what.into() }
    }

    /// A data-set error.
    pub(crate) fn data(path: &Path, reason: impl Into<String>) -> Self {
        Self::Data { path: path.into(), reason: reason.into() }
    }

    /// The error for files of which at most `limit` may be unreadable.
    pub fn unreadable(files: &[Unreadable], limit: usize) -> Self {
        let reasons: Vec<String> = files.iter().map(|file| file.reason.clone()).collect();
        Self::Unreadable { count: files.len(), limit, first: first_few(&reasons, "; ") }
    }

    /// The error for an image of other bands than the model's.
    pub(crate) fn bands(name: &str, have: usize, want: usize) -> Self {
        Self::data(name.as_ref(), format!("has {have} bands, the model reads {want}"))
    }

    /// A reading error.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Io { action: "read", path: path.into(), source }
    }
}
