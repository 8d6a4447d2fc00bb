//! Columns into rows.

use std::path::Path;

use parquet::data_type::{ByteArrayType, DoubleType, FloatType};
use serde_json::Value;

use super::super::format::wrong;
use super::super::{Embeddings, Header};
use super::columns::{Lists, Table};
use super::schema::KEY;
use crate::error::Result;
use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};

pub(in super::super) fn read(path: &Path) -> Result<Embeddings> {
    // Counts and lengths are checked before the library sees them. Should it still meet a page with a panic, the file
    // is damaged: an error, not the end of a service.
    std::panic::catch_unwind(|| rows_of(path))
        .unwrap_or_else(|_| Err(wrong(path, "is damaged: a page of it is not what it says")))
}

fn rows_of(path: &Path) -> Result<Embeddings> {
    let table = Table::open(path)?;
    let ids: Vec<u64> = table.numbers("id")?;
    let count = ids.len();
    let vectors = table.lists::<FloatType>("embedding")?;
    let uneven = |other: usize| wrong(path, format!("has columns of different lengths, {count} and {other} rows"));
    if vectors.len() != count {
        return Err(uneven(vectors.len()));
    }
    let header = header(path, &table, count, &vectors)?;
    if let Some(at) = (0..vectors.len()).find(|&at| vectors.row(at).len() != header.length) {
        let reason = format!("has {} values in row {at}, {} are wanted", vectors.row(at).len(), header.length);
        return Err(table.wrong("embedding", reason));
    }
    let text = |name: &str| -> Result<Vec<String>> {
        let text = |(at, text): (usize, Option<String>)| {
            text.ok_or_else(|| table.wrong(name, format!("has no value in row {at}")))
        };
        table.texts(name)?.into_iter().enumerate().map(text).collect()
    };
    let sources = text("source")?;
    let pixels = |name: &str| table.numbers::<u32>(name);
    let (rows, cols) = (pixels("row")?, pixels("col")?);
    let windows = [pixels("x")?, pixels("y")?, pixels("width")?, pixels("height")?];
    let valid = table.required::<FloatType>("valid")?;
    let crs = table.texts("crs")?;
    let affine = table.lists::<DoubleType>("affine")?;
    let geometry = table.optional::<ByteArrayType>("geometry")?;
    let lengths = [sources.len(), rows.len(), cols.len(), valid.len(), crs.len(), affine.len()];
    let lengths = lengths.into_iter().chain(windows.each_ref().map(Vec::len)).chain([geometry.len()]);
    if let Some(other) = lengths.into_iter().find(|&length| length != count) {
        return Err(uneven(other));
    }

    let mut tiles = Vec::with_capacity(count);
    let texts = sources.into_iter().zip(crs).zip(geometry);
    for (at, ((source, crs), geometry)) in texts.enumerate() {
        let footprint = geometry.map(|bytes| {
            let reason = format!("holds something else than a polygon or multipolygon of two dimensions in row {at}");
            Footprint::from_wkb(bytes.data()).ok_or_else(|| table.wrong("geometry", reason))
        });
        let place = match affine.row(at) {
            [] => None,
            &[a, b, c, d, e, f] => {
                let footprint = footprint.transpose()?;
                Some(Place { crs: crs.unwrap_or_default(), affine: [a, b, c, d, e, f], footprint })
            }
            other => {
                return Err(table.wrong("affine", format!("has {} values in row {at}, 6 are wanted", other.len())));
            }
        };
        tiles.push(Tile {
            id: ids[at],
            source,
            grid: [rows[at], cols[at]],
            window: windows.each_ref().map(|values| values[at]),
            valid: valid[at],
            place,
        });
    }
    Ok(Embeddings { header, tiles, vectors: vectors.values })
}

/// Ours, or what the columns say where another program has dropped it.
fn header(path: &Path, table: &Table<'_>, count: usize, vectors: &Lists<f32>) -> Result<Header> {
    let told: Option<Header> = match table.metadata(KEY).map(serde_json::from_str) {
        Some(Ok(header)) => Some(header),
        Some(Err(error)) => return Err(wrong(path, format!("metadata \"{KEY}\": {error}"))),
        None if count == 0 => {
            return Err(wrong(path, format!("has no row and no metadata \"{KEY}\": its model is unknown")));
        }
        None => None,
    };
    let only = |name: &str, told: Option<&String>| -> Result<String> {
        let values = table.optional::<ByteArrayType>(name)?;
        let text = |at: usize| {
            let bytes = values[at].as_ref().ok_or_else(|| table.wrong(name, format!("has no value in row {at}")))?;
            std::str::from_utf8(bytes.data()).map_err(|_| table.wrong(name, "holds bytes that are no UTF-8"))
        };
        let first = match (told, values.len()) {
            (Some(told), _) => told.clone(),
            (None, 0) => return Err(table.wrong(name, "has no rows")),
            (None, _) => text(0)?.to_owned(),
        };
        for at in 0..values.len() {
            let other = text(at)?;
            if other != first {
                let reason = format!("holds {other} in row {at} and {first} elsewhere: a file has one model's vectors");
                return Err(table.wrong(name, reason));
            }
        }
        Ok(first)
    };
    let model = only("model", told.as_ref().map(|header| &header.model))?;
    let digest = only("digest", told.as_ref().map(|header| &header.digest))?;
    let length = told.as_ref().map_or_else(|| vectors.row(0).len(), |header| header.length);
    if length == 0 {
        return Err(table.wrong("embedding", "holds vectors without values"));
    }
    Ok(Header { model, digest, length, settings: told.map_or(Value::Null, |header| header.settings) })
}

#[cfg(test)]
mod tests;
