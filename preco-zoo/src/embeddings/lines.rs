//! Tiles as lines of JSON, beside formats that hold numbers alone.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Row;
use super::format::{beside, wrong};
use super::rows::Output;
use crate::error::{Error, Result};

/// A tile as a line says it.
#[derive(Serialize, Deserialize)]
struct Line {
    id: u64,
    source: String,
    row: u32,
    col: u32,
    window: [u32; 4],
    valid: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    crs: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affine: Option<[f64; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    geometry: Option<Value>,
}

/// Writes `head` and the rows' vectors to `path`, and the tiles as lines beside it.
pub(super) fn numbers_and_lines(path: &Path, head: &[u8], rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let lines_path = beside(path, "jsonl");
    let (array, mut numbers) = Output::create(path)?;
    let (tiles, mut lines) = Output::create(&lines_path)?;
    numbers.write_all(head).map_err(Error::io("write", path))?;
    for row in rows {
        let (tile, vector) = row?;
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        numbers.write_all(&bytes).map_err(Error::io("write", path))?;
        write(&mut lines, &tile).map_err(Error::io("write", &lines_path))?;
    }
    tiles.finish(lines)?;
    array.finish(numbers)
}

fn write(out: &mut impl Write, tile: &Tile) -> std::io::Result<()> {
    let place = tile.place.as_ref();
    let line = Line {
        id: tile.id,
        source: tile.source.clone(),
        row: tile.grid[0],
        col: tile.grid[1],
        window: tile.window,
        valid: tile.valid,
        crs: place.map(|place| place.crs.clone()),
        affine: place.map(|place| place.affine),
        geometry: place.and_then(|place| place.footprint.as_ref()).map(Footprint::to_geojson),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// The tiles of a file, as many as there are vectors.
pub(super) fn read(path: &Path, count: usize) -> Result<Vec<Tile>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut tiles = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(Error::io("read", path))?;
        let line: Line =
            serde_json::from_str(&line).map_err(|error| wrong(path, format!("line {}: {error}", at + 1)))?;
        if tiles.len() == count {
            return Err(wrong(path, format!("has more lines than the {count} vectors beside it")));
        }
        let footprint = line.geometry.as_ref().and_then(Footprint::from_geojson);
        let place = line.affine.map(|affine| Place { crs: line.crs.unwrap_or_default(), affine, footprint });
        let Line { id, source, row, col, window, valid, .. } = line;
        tiles.push(Tile { id, source, grid: [row, col], window, valid, place });
    }
    if tiles.len() != count {
        return Err(wrong(path, format!("has {} lines, {count} vectors lie beside it", tiles.len())));
    }
    Ok(tiles)
}
