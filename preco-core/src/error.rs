//! What can go wrong in this crate: what was wrong, the value, and what to do.

use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// A checkpoint is not what its name says.
    #[error("{} is not a usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A checkpoint's tensor has another shape than the model's.
    #[error("{name} is {file:?} in {}, {model:?} in the model: the checkpoint belongs to another preset", path.display())]
    Shape {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        file: Vec<usize>,
        /// Its shape in the model.
        model: Vec<usize>,
    },
    /// A field of a model's JSON file is missing, of another type, or contradicts another.
    #[error("{}: {field}: {reason}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// The field, from the root, such as `preco.swin.window`.
        field: String,
        /// Its value, and what it must be.
        reason: String,
    },
    /// Sizes that do not fit each other (window, patch, mask, input, heads).
    #[error("{what}")]
    Config {
        /// The sizes, and which would fit.
        what: String,
    },
    /// An image cannot be used.
    #[error("{}: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A device cannot do what was asked: it is absent, full, too old, or it failed.
    #[error("{device}: {reason}")]
    Device {
        /// The device, such as `cuda:0`.
        device: String,
        /// What went wrong and what to do.
        reason: String,
    },
    /// candle refused an operation at the tensor edge.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// A configuration error.
    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into() }
    }

    /// A device's error.
    #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
    pub(crate) fn device(device: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Device { device: device.into(), reason: reason.into() }
    }
}
