//! Files of embeddings: vectors, where their tiles lie, and the model they came from.
//!
//! The ending of a file's name chooses its format: `.parquet` is GeoParquet, which GeoPandas, DuckDB and QGIS open;
//! `.npy` is NumPy's array with JSON beside it, and `.safetensors` holds tensors. Files are written in bounded memory,
//! whole or absent; the same rows give the same bytes. Reading never trusts a count that the file's length cannot
//! carry. Nothing here computes or compares vectors.

mod format;
mod geoparquet;
mod header;
mod lines;
mod npy;
mod read;
mod rows;
mod safetensors;

pub use format::Format;
pub use header::Header;
pub use read::Embeddings;
pub use rows::{Row, write};
