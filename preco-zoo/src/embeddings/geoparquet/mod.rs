//! GeoParquet 1.1: a column for each fact of a tile, its footprint as well-known binary in OGC:CRS84, its vector as a list.
//!
//! Written and read by the `parquet` crate's columns, without Arrow. Vectors are not compressed: floats of a network do
//! not shrink. Files that other programs wrote with the same columns are read as well.

mod read;
mod schema;
mod write;

pub(super) use read::read;
pub(super) use write::write;
