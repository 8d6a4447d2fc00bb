//! Files of embeddings: vectors, where their tiles lie, and the model they came from.
//!
//! The ending of a file's name chooses its format: `.parquet` is GeoParquet, which GeoPandas, DuckDB and QGIS open; `.npy`
//! is NumPy's array and `.safetensors` a tensor, each with a line of JSON per tile beside it. Files are written in bounded
//! memory, whole or absent, and the same rows give the same bytes.

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
