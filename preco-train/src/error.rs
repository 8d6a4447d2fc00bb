//! What can go wrong in this crate.

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
}
