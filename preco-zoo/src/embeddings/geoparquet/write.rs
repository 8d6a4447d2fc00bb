//! Rows into columns, a group at a time.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use serde_json::json;

use super::super::Header;
use super::super::format::wrong;
use super::super::rows::{Output, Row};
use super::schema::{KEY, group_rows, properties, schema};
use crate::error::{Error, Result};
use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};

pub(in super::super) fn write(path: &Path, header: &Header, rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let failed = |error: ParquetError| Error::io("write", path)(std::io::Error::other(error));
    let (file, sink) = Output::create(path)?;
    let schema = schema().map_err(failed)?;
    let mut writer = SerializedFileWriter::new(sink, schema, Arc::new(properties())).map_err(failed)?;
    let mut geometry = Geometry::default();
    let size = group_rows(header.length);
    let mut group: Vec<Row> = Vec::with_capacity(size);
    for row in rows {
        let (tile, vector) = row?;
        geometry.see(footprint(&tile));
        group.push((tile, vector));
        if group.len() == size {
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

/// The smallest and largest longitude and latitude as numbers: all of them where a footprint crosses the antimeridian.
fn bbox(footprint: &Footprint) -> [f64; 4] {
    let empty = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let points = footprint.polygons.iter().flatten();
    points.fold(empty, |[west, south, east, north], &[x, y]| [west.min(x), south.min(y), east.max(x), north.max(y)])
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
        let one = bbox(footprint);
        let all = self.bbox.unwrap_or(one);
        self.bbox = Some([all[0].min(one[0]), all[1].min(one[1]), all[2].max(one[2]), all[3].max(one[3])]);
    }

    fn metadata(&self) -> String {
        let types = [(self.multi, "MultiPolygon"), (self.polygon, "Polygon")];
        let types: Vec<&str> = types.iter().filter(|(seen, _)| *seen).map(|(_, name)| *name).collect();
        let covering = |name: &str| json!(["bbox", name]);
        // No crs: then it is OGC:CRS84, longitude before latitude, which GeoPandas and QGIS know by themselves.
        let mut column = json!({
            "encoding": "WKB",
            "geometry_types": types,
            "orientation": "counterclockwise",
            "covering": { "bbox": {
                "xmin": covering("xmin"), "ymin": covering("ymin"), "xmax": covering("xmax"), "ymax": covering("ymax"),
            } },
        });
        if let Some(bbox) = self.bbox {
            column["bbox"] = json!(bbox);
        }
        json!({ "version": "1.1.0", "primary_column": "geometry", "columns": { "geometry": column } }).to_string()
    }
}

fn write_group(writer: &mut SerializedFileWriter<BufWriter<File>>, header: &Header, rows: &[Row]) -> ParquetResult<()> {
    let mut group = Group { writer: writer.next_row_group()?, rows };
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    // Ids and pixels fit: rows were checked.
    group.plain::<Int64Type>(|tile| tile.id as i64)?;
    group.plain::<ByteArrayType>(|tile| text(&tile.source))?;
    for value in [0, 1] {
        group.plain::<Int32Type>(|tile| tile.grid[value] as i32)?;
    }
    for value in 0..4 {
        group.plain::<Int32Type>(|tile| tile.window[value] as i32)?;
    }
    group.plain::<FloatType>(|tile| tile.valid)?;
    group.optional::<ByteArrayType>(|tile| tile.place.as_ref().map(|Place { crs, .. }| text(crs)))?;
    group.affines()?;
    group.optional::<ByteArrayType>(|tile| footprint(tile).map(|footprint| ByteArray::from(footprint.to_wkb())))?;
    for side in 0..4 {
        group.optional::<DoubleType>(|tile| footprint(tile).map(|footprint| bbox(footprint)[side]))?;
    }
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
    /// Writes the next column: batches of values, definition levels and repetition levels, whole rows each.
    fn column<'v, T: DataType>(
        &mut self,
        batches: impl Iterator<Item = (&'v [T::T], Option<&'v [i16]>, Option<&'v [i16]>)>,
    ) -> ParquetResult<()>
    where
        T::T: 'v,
    {
        let column = self.writer.next_column()?;
        let mut column = column.ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
        for (values, defined, repeated) in batches {
            column.typed::<T>().write_batch(values, defined, repeated)?;
        }
        column.close()
    }

    fn plain<T: DataType>(&mut self, value: impl Fn(&Tile) -> T::T) -> ParquetResult<()> {
        let values: Vec<T::T> = self.rows.iter().map(|(tile, _)| value(tile)).collect();
        self.column::<T>([(&values[..], None, None)].into_iter())
    }

    fn optional<T: DataType>(&mut self, value: impl Fn(&Tile) -> Option<T::T>) -> ParquetResult<()> {
        let values: Vec<Option<T::T>> = self.rows.iter().map(|(tile, _)| value(tile)).collect();
        let defined: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        let values: Vec<T::T> = values.into_iter().flatten().collect();
        self.column::<T>([(&values[..], Some(&defined[..]), None)].into_iter())
    }

    /// A list that may be absent. Definition: 0 is none, 2 an element. Repetition: 0 begins a row, 1 goes on with it.
    fn affines(&mut self) -> ParquetResult<()> {
        let rows = self.rows;
        let batch = |(tile, _): &'_ Row| match &tile.place {
            None => (Vec::new(), &[0i16][..], &[0i16][..]),
            Some(place) => (place.affine.to_vec(), &[2; 6][..], &[0, 1, 1, 1, 1, 1][..]),
        };
        let batches: Vec<_> = rows.iter().map(batch).collect();
        self.column::<DoubleType>(
            batches.iter().map(|(values, defined, repeated)| (&values[..], Some(*defined), Some(*repeated))),
        )
    }

    fn vectors(&mut self, length: usize) -> ParquetResult<()> {
        let (rows, defined) = (self.rows, vec![1; length]);
        let repeated: Vec<i16> = (0..length).map(|at| i16::from(at > 0)).collect();
        self.column::<FloatType>(rows.iter().map(|(_, vector)| (&vector[..], Some(&defined[..]), Some(&repeated[..]))))
    }
}
