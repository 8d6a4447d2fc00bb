//! The columns.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// Rows of a group: what is in memory at once while writing.
pub(super) const GROUP_ROWS: usize = 4096;
/// The key of our own metadata.
pub(super) const KEY: &str = "preco";

const COLUMNS: &str = "
message embeddings {
  required int64 id;
  required binary source (STRING);
  required int32 row;
  required int32 col;
  required int32 x;
  required int32 y;
  required int32 width;
  required int32 height;
  required float valid;
  optional binary crs (STRING);
  optional group affine (LIST) { repeated group list { required double element; } }
  optional binary geometry;
  required group embedding (LIST) { repeated group list { required float element; } }
  required binary model (STRING);
  required binary digest (STRING);
}";

pub(super) fn schema() -> Result<TypePtr> {
    Ok(Arc::new(parse_message_type(COLUMNS)?))
}

pub(super) fn properties() -> WriterProperties {
    let vectors = ColumnPath::from(["embedding", "list", "element"].map(str::to_owned).to_vec());
    let geometry = ColumnPath::from("geometry");
    WriterProperties::builder()
        // Fixed, so that the same rows give the same bytes under every version of the library.
        .set_created_by("preco".to_owned())
        .set_compression(Compression::SNAPPY)
        .set_column_compression(vectors.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(vectors.clone(), false)
        .set_column_statistics_enabled(vectors, EnabledStatistics::None)
        .set_column_dictionary_enabled(geometry.clone(), false)
        .set_column_statistics_enabled(geometry, EnabledStatistics::None)
        .build()
}
