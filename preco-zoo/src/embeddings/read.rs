//! A file of embeddings in memory.

use std::path::Path;

use preco_core::predict::Tile;

use super::format::beside;
use super::{Format, Header, geoparquet, lines, npy, safetensors};
use crate::error::Result;

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
    /// Reads a file that [`super::write`] wrote, or that another program wrote with the same columns.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Embeddings`] with what is missing or wrong.
    pub fn open(path: &Path) -> Result<Self> {
        let (header, vectors) = match Format::of(path)? {
            Format::GeoParquet => return geoparquet::read(path),
            Format::Npy => npy::read(path)?,
            Format::Safetensors => safetensors::read(path)?,
        };
        let tiles = lines::read(&beside(path, "jsonl"), vectors.len() / header.length)?;
        Ok(Self { header, tiles, vectors })
    }

    /// Vectors.
    pub fn len(&self) -> usize {
        self.tiles.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    /// The vector of the `at`-th tile.
    pub fn vector(&self, at: usize) -> &[f32] {
        &self.vectors[at * self.header.length..(at + 1) * self.header.length]
    }

    /// Tiles with their vectors.
    pub fn rows(self) -> impl Iterator<Item = (Tile, Vec<f32>)> {
        let Self { header, tiles, vectors } = self;
        let vector = move |at: usize| vectors[at * header.length..(at + 1) * header.length].to_vec();
        tiles.into_iter().enumerate().map(move |(at, tile)| (tile, vector(at)))
    }
}

#[cfg(test)]
mod tests;
