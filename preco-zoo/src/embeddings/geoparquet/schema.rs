//! The columns, and how they are stored.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// The key of our own metadata.
pub(super) const KEY: &str = "preco";
/// Rows of a group at most.
const GROUP_ROWS: usize = 4096;
/// Values of a group's vectors at most (16 MiB): what is in memory at once while writing.
const GROUP_VALUES: usize = 1 << 22;

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
  optional group bbox { required double xmin; required double ymin; required double xmax; required double ymax; }
  required group embedding (LIST) { repeated group list { required float element; } }
  required binary model (STRING);
  required binary digest (STRING);
}";

/// Rows of a group for vectors of `length` values.
pub(super) fn group_rows(length: usize) -> usize {
    (GROUP_VALUES / length.max(1)).clamp(1, GROUP_ROWS)
}

pub(super) fn schema() -> Result<TypePtr> {
    Ok(Arc::new(parse_message_type(COLUMNS)?))
}

pub(super) fn properties() -> WriterProperties {
    let vectors = ColumnPath::from(["embedding", "list", "element"].map(str::to_owned).to_vec());
    let geometry = ColumnPath::from("geometry");
    WriterProperties::builder()
        // Fixed, so that the library's version is not part of the bytes.
        .set_created_by("preco".to_owned())
        .set_compression(Compression::SNAPPY)
        // Snappy leaves 100.0 % of normally distributed floats, and decoders then copy for nothing.
        .set_column_compression(vectors.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(vectors.clone(), false)
        .set_column_statistics_enabled(vectors, EnabledStatistics::None)
        // Bytes of well-known binary have no meaningful order; the bbox columns have.
        .set_column_dictionary_enabled(geometry.clone(), false)
        .set_column_statistics_enabled(geometry, EnabledStatistics::None)
        .build()
}
