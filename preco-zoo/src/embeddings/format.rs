//! A file's format, by the ending of its name.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A format of files of embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.parquet`: GeoParquet 1.1.
    GeoParquet,
    /// `.npy`, with `.json` and `.jsonl` beside it.
    Npy,
    /// `.safetensors`, alone.
    Safetensors,
}

impl Format {
    /// The format of `path`.
    ///
    /// # Errors
    /// [`Error::Embeddings`] with the endings there are.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("parquet" | "geoparquet") => Ok(Self::GeoParquet),
            Some("npy") => Ok(Self::Npy),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => Err(wrong(path, "ends in none of .parquet, .npy and .safetensors, the formats of embeddings")),
        }
    }

    /// The files that `path` is in this format: itself, and what lies beside it.
    pub fn files(self, path: &Path) -> Vec<PathBuf> {
        match self {
            Self::Npy => vec![path.to_path_buf(), beside(path, "json"), beside(path, "jsonl")],
            Self::GeoParquet | Self::Safetensors => vec![path.to_path_buf()],
        }
    }
}

/// The file of another ending beside `path`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}

pub(super) fn wrong(path: &Path, reason: impl Into<String>) -> Error {
    Error::Embeddings { path: path.into(), reason: reason.into() }
}
