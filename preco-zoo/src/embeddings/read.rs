//! A file of embeddings in memory.

use std::path::Path;

use super::{Format, Header, Row, geoparquet, npy, safetensors};
use crate::error::Result;
use preco_core::predict::Tile;

/// The embeddings of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// The model they came from.
    pub header: Header,
    /// The tiles.
    pub tiles: Vec<Tile>,
    /// Their vectors, one after the other, each of `header.length` values.
    pub vectors: Vec<f32>,
}

impl Embeddings {
    /// Reads a file that [`super::write`] wrote, or a Parquet file that another program wrote with the same columns; it
    /// may have dropped the settings, which are `null` then.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Embeddings`] with what is missing or wrong.
    pub fn open(path: &Path) -> Result<Self> {
        match Format::of(path)? {
            Format::GeoParquet => geoparquet::read(path),
            Format::Npy => npy::read(path),
            Format::Safetensors => safetensors::read(path),
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.tiles.len()
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    /// The vector of the `at`-th tile.
    ///
    /// # Panics
    /// Where there are no more than `at` tiles.
    pub fn vector(&self, at: usize) -> &[f32] {
        &self.vectors[at * self.header.length..][..self.header.length]
    }

    /// Tiles with their vectors.
    pub fn rows(self) -> impl Iterator<Item = Row> {
        let Self { header, tiles, vectors } = self;
        let vector = move |at: usize| vectors[at * header.length..][..header.length].to_vec();
        tiles.into_iter().enumerate().map(move |(at, tile)| (tile, vector(at)))
    }
}

#[cfg(test)]
mod tests;
