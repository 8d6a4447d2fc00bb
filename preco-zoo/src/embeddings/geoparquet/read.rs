//! Columns into rows, whoever wrote them.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};

use super::super::format::wrong;
use super::super::{Embeddings, Header};
use super::schema::KEY;
use crate::error::{Error, Result};

/// Records that are read at once: no count of the file is believed for more.
const AT_ONCE: usize = 4096;

pub(in super::super) fn read(path: &Path) -> Result<Embeddings> {
    // The library checks a page's lengths by assertion: a damaged file is an error here, not the end of a service.
    std::panic::catch_unwind(|| columns_of(path))
        .unwrap_or_else(|_| Err(wrong(path, "is damaged: a page of it is not what it says")))
}

fn columns_of(path: &Path) -> Result<Embeddings> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let unreadable = |error: ParquetError| wrong(path, format!("cannot be read as Parquet: {error}"));
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let table = Table { reader: &reader, path, columns: columns(&reader) };

    let ids = table.required::<Int64Type>("id")?;
    let count = ids.len();
    let texts = |name| -> Result<Vec<String>> {
        table.required::<ByteArrayType>(name)?.into_iter().map(|bytes| table.text(name, bytes.data())).collect()
    };
    let (sources, models, digests) = (texts("source")?, texts("model")?, texts("digest")?);
    let numbers = |name| table.required::<Int32Type>(name);
    let (rows, cols) = (numbers("row")?, numbers("col")?);
    let windows = [numbers("x")?, numbers("y")?, numbers("width")?, numbers("height")?];
    let valid = table.required::<FloatType>("valid")?;
    let crs = table.lists::<ByteArrayType>("crs")?;
    let geometry = table.lists::<ByteArrayType>("geometry")?;
    let affine = table.lists::<DoubleType>("affine")?;
    let vectors = table.lists::<FloatType>("embedding")?;
    let lengths = [
        sources.len(),
        rows.len(),
        cols.len(),
        valid.len(),
        crs.len(),
        geometry.len(),
        affine.len(),
        vectors.len(),
        models.len(),
        digests.len(),
    ];
    if lengths.iter().chain(&windows.each_ref().map(Vec::len)).any(|&length| length != count) {
        return Err(wrong(path, format!("has columns of different lengths: {count} ids, {lengths:?}")));
    }
    let header = header(path, &reader, [models.first(), digests.first()], vectors.first().map_or(0, Vec::len))?;
    if let Some(at) = vectors.iter().position(|vector| vector.len() != header.length) {
        return Err(wrong(
            path,
            format!("row {at} has {} values, its model's vectors {}", vectors[at].len(), header.length),
        ));
    }
    if let Some(at) = digests.iter().position(|digest| *digest != header.digest) {
        return Err(wrong(path, format!("row {at} is of model {}, the file of {}", digests[at], header.digest)));
    }
    let tile = |at: usize| {
        let footprint = geometry[at].first().and_then(|bytes| Footprint::from_wkb(bytes.data()));
        let place = match <[f64; 6]>::try_from(&affine[at][..]) {
            Ok(affine) => {
                let crs = crs[at].first().map_or(Ok(String::new()), |bytes| table.text("crs", bytes.data()))?;
                Some(Place { crs, affine, footprint })
            }
            Err(_) => None,
        };
        Ok(Tile {
            id: ids[at] as u64,
            source: sources[at].clone(),
            grid: [rows[at] as u32, cols[at] as u32],
            window: windows.each_ref().map(|values| values[at] as u32),
            valid: valid[at],
            place,
        })
    };
    let tiles = (0..count).map(tile).collect::<Result<_>>()?;
    Ok(Embeddings { header, tiles, vectors: vectors.concat() })
}

/// Ours, or what the columns say where another program has dropped it.
fn header(
    path: &Path,
    reader: &SerializedFileReader<File>,
    names: [Option<&String>; 2],
    length: usize,
) -> Result<Header> {
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let ours = metadata.and_then(|all| all.iter().find(|pair| pair.key == KEY)).and_then(|pair| pair.value.as_deref());
    if let Some(text) = ours {
        return serde_json::from_str(text).map_err(|error| wrong(path, format!("metadata \"{KEY}\": {error}")));
    }
    let [Some(model), Some(digest)] = names else {
        return Err(wrong(path, format!("has no row and no metadata \"{KEY}\": its model is unknown")));
    };
    Ok(Header { model: model.clone(), digest: digest.clone(), length, settings: serde_json::Value::Null })
}

/// The leaf columns by the name of their root.
fn columns(reader: &SerializedFileReader<File>) -> HashMap<String, usize> {
    let schema = reader.metadata().file_metadata().schema_descr();
    let root = |(at, column): (usize, &parquet::schema::types::ColumnDescPtr)| {
        Some((column.path().parts().first()?.clone(), at))
    };
    schema.columns().iter().enumerate().filter_map(root).collect()
}

struct Table<'a> {
    reader: &'a SerializedFileReader<File>,
    path: &'a Path,
    columns: HashMap<String, usize>,
}

impl Table<'_> {
    /// A value in each row.
    fn required<T: DataType>(&self, name: &str) -> Result<Vec<T::T>> {
        let rows = self.lists::<T>(name)?;
        let one = |mut row: Vec<T::T>| match row.len() {
            1 => row.pop(),
            _ => None,
        };
        let absent = || wrong(self.path, format!("column {name} has rows without a value"));
        rows.into_iter().map(|row| one(row).ok_or_else(absent)).collect()
    }

    /// The values of each row: none where it is null, one for a plain column.
    fn lists<T: DataType>(&self, name: &str) -> Result<Vec<Vec<T::T>>> {
        let missing = || wrong(self.path, format!("has no column {name}: it is no file of embeddings"));
        let column = *self.columns.get(name).ok_or_else(missing)?;
        let unreadable = |error: ParquetError| wrong(self.path, format!("column {name}: {error}"));
        let mut rows = Vec::new();
        for group in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(group).map_err(unreadable)?;
            let reader = group.get_column_reader(column).map_err(unreadable)?;
            if physical(&reader) != T::get_physical_type() {
                let reason = format!("column {name} holds {}, not {}", physical(&reader), T::get_physical_type());
                return Err(wrong(self.path, reason));
            }
            let descriptor = group.metadata().column(column).column_descr_ptr();
            let (defined_at, repeats) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
            let mut reader = get_typed_column_reader::<T>(reader);
            loop {
                let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
                let read = reader.read_records(AT_ONCE, Some(&mut defined), Some(&mut repeated), &mut values);
                let (records, _, levels) = read.map_err(unreadable)?;
                if records == 0 {
                    break;
                }
                let mut values = values.into_iter();
                for at in 0..levels {
                    if !repeats || repeated.get(at) == Some(&0) {
                        rows.push(Vec::new());
                    }
                    if defined_at == 0 || defined.get(at) == Some(&defined_at) {
                        let row = rows.last_mut();
                        row.into_iter().for_each(|row: &mut Vec<T::T>| row.extend(values.next()));
                    }
                }
            }
        }
        Ok(rows)
    }

    fn text(&self, name: &str, bytes: &[u8]) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|_| wrong(self.path, format!("column {name} holds no UTF-8")))
    }
}

fn physical(reader: &ColumnReader) -> parquet::basic::Type {
    use parquet::basic::Type;
    match reader {
        ColumnReader::BoolColumnReader(_) => Type::BOOLEAN,
        ColumnReader::Int32ColumnReader(_) => Type::INT32,
        ColumnReader::Int64ColumnReader(_) => Type::INT64,
        ColumnReader::Int96ColumnReader(_) => Type::INT96,
        ColumnReader::FloatColumnReader(_) => Type::FLOAT,
        ColumnReader::DoubleColumnReader(_) => Type::DOUBLE,
        ColumnReader::ByteArrayColumnReader(_) => Type::BYTE_ARRAY,
        ColumnReader::FixedLenByteArrayColumnReader(_) => Type::FIXED_LEN_BYTE_ARRAY,
    }
}
