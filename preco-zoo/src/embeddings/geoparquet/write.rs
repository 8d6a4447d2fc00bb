//! Rows into columns, a group at a time.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};
use serde_json::json;

use super::super::format::wrong;
use super::super::rows::Output;
use super::super::{Header, Row};
use super::schema::{GROUP_ROWS, KEY, properties, schema};
use crate::error::{Error, Result};

pub(in super::super) fn write(path: &Path, header: &Header, rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let failed = |error: ParquetError| Error::io("write", path)(std::io::Error::other(error));
    let (file, sink) = Output::create(path)?;
    let mut writer =
        SerializedFileWriter::new(sink, schema().map_err(failed)?, Arc::new(properties())).map_err(failed)?;
    let mut geometry = Geometry::default();
    let mut group: Vec<Row> = Vec::with_capacity(GROUP_ROWS);
    for row in rows {
        let (tile, vector) = row?;
        geometry.see(footprint(&tile));
        group.push((tile, vector));
        if group.len() == GROUP_ROWS {
            write_group(&mut writer, header, &group).map_err(failed)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        write_group(&mut writer, header, &group).map_err(failed)?;
    }
    let text = serde_json::to_string(header).map_err(|error| wrong(path, error.to_string()))?;
    writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geometry.metadata()));
    writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), text));
    file.finish(writer.into_inner().map_err(failed)?)
}

fn footprint(tile: &Tile) -> Option<&Footprint> {
    tile.place.as_ref()?.footprint.as_ref()
}

/// What GeoParquet's metadata say of the geometries.
#[derive(Default)]
struct Geometry {
    polygon: bool,
    multi: bool,
    bbox: Option<[f64; 4]>,
}

impl Geometry {
    fn see(&mut self, footprint: Option<&Footprint>) {
        let Some(footprint) = footprint else { return };
        *(if footprint.polygons.len() == 1 { &mut self.polygon } else { &mut self.multi }) = true;
        for [x, y] in footprint.polygons.iter().flatten() {
            let [west, south, east, north] = self.bbox.unwrap_or([*x, *y, *x, *y]);
            self.bbox = Some([west.min(*x), south.min(*y), east.max(*x), north.max(*y)]);
        }
    }

    fn metadata(&self) -> String {
        let types = [(self.multi, "MultiPolygon"), (self.polygon, "Polygon")];
        let types: Vec<&str> = types.iter().filter(|(seen, _)| *seen).map(|(_, name)| *name).collect();
        // No crs: then it is OGC:CRS84, longitude before latitude.
        let mut column = json!({ "encoding": "WKB", "geometry_types": types, "orientation": "counterclockwise" });
        if let Some(bbox) = self.bbox {
            column["bbox"] = json!(bbox);
        }
        json!({ "version": "1.1.0", "primary_column": "geometry", "columns": { "geometry": column } }).to_string()
    }
}

fn write_group(writer: &mut SerializedFileWriter<BufWriter<File>>, header: &Header, rows: &[Row]) -> ParquetResult<()> {
    let mut group = Group { writer: writer.next_row_group()?, rows };
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    let place = |tile: &Tile| tile.place.clone();
    group.plain::<Int64Type>(|tile| tile.id as i64)?;
    group.plain::<ByteArrayType>(|tile| text(&tile.source))?;
    for value in [0, 1] {
        group.plain::<Int32Type>(|tile| tile.grid[value] as i32)?;
    }
    for value in 0..4 {
        group.plain::<Int32Type>(|tile| tile.window[value] as i32)?;
    }
    group.plain::<FloatType>(|tile| tile.valid)?;
    group.optional::<ByteArrayType>(|tile| place(tile).map(|Place { crs, .. }| text(&crs)))?;
    group.affines()?;
    group.optional::<ByteArrayType>(|tile| footprint(tile).map(|footprint| ByteArray::from(footprint.to_wkb())))?;
    group.vectors(header.length)?;
    group.plain::<ByteArrayType>(|_| text(&header.model))?;
    group.plain::<ByteArrayType>(|_| text(&header.digest))?;
    group.writer.close().map(|_| ())
}

/// A group of rows on its way into the file's next columns.
struct Group<'a, 'b> {
    writer: SerializedRowGroupWriter<'a, BufWriter<File>>,
    rows: &'b [Row],
}

impl Group<'_, '_> {
    fn column<T: DataType>(&mut self, values: &[T::T], [defined, repeated]: [Option<&[i16]>; 2]) -> ParquetResult<()> {
        let column = self.writer.next_column()?;
        let mut column = column.ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
        column.typed::<T>().write_batch(values, defined, repeated)?;
        column.close()
    }

    fn plain<T: DataType>(&mut self, value: impl Fn(&Tile) -> T::T) -> ParquetResult<()> {
        let values: Vec<T::T> = self.rows.iter().map(|(tile, _)| value(tile)).collect();
        self.column::<T>(&values, [None; 2])
    }

    fn optional<T: DataType>(&mut self, value: impl Fn(&Tile) -> Option<T::T>) -> ParquetResult<()> {
        let values: Vec<Option<T::T>> = self.rows.iter().map(|(tile, _)| value(tile)).collect();
        let defined: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        let values: Vec<T::T> = values.into_iter().flatten().collect();
        self.column::<T>(&values, [Some(&defined), None])
    }

    /// A list that may be absent: 0 is none, 2 an element; 0 begins a row, 1 goes on with it.
    fn affines(&mut self) -> ParquetResult<()> {
        let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for (tile, _) in self.rows {
            match &tile.place {
                None => {
                    defined.push(0);
                    repeated.push(0);
                }
                Some(place) => {
                    values.extend(place.affine);
                    defined.extend([2; 6]);
                    repeated.extend([0, 1, 1, 1, 1, 1]);
                }
            }
        }
        self.column::<DoubleType>(&values, [Some(&defined), Some(&repeated)])
    }

    fn vectors(&mut self, length: usize) -> ParquetResult<()> {
        let values: Vec<f32> = self.rows.iter().flat_map(|(_, vector)| vector).copied().collect();
        let repeated: Vec<i16> = (0..values.len()).map(|at| i16::from(at % length != 0)).collect();
        self.column::<FloatType>(&values, [Some(&vec![1; values.len()]), Some(&repeated)])
    }
}
