//! GeoParquet 1.1: a column for each fact of a tile, its footprint as well-known binary in OGC:CRS84, its vector as a
//! list.
//!
//! Written and read by the `parquet` crate's columns, without Arrow. Files that other programs wrote with the same
//! columns are read as well, plain or compressed with Snappy. Memory follows the file's length, whatever it claims.

mod budget;
mod columns;
mod page;
mod read;
mod schema;
mod text;
mod write;

pub(super) use read::read;
pub(super) use write::write;
