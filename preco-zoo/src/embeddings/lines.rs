//! Tiles as lines of JSON, for formats that hold numbers alone.
//!
//! A line has every field of a tile; its footprint is `geometry`, a geometry of GeoJSON (RFC 7946). Fields that are not
//! known are left out.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::wrong;
use crate::error::{Error, Result};
use preco_core::geo::Footprint;
use preco_core::predict::{Place, Tile};

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

pub(super) fn write(out: &mut impl Write, tile: &Tile) -> std::io::Result<()> {
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

/// The tiles of `lines`, as many as there are vectors; errors call their file `path`.
pub(super) fn read(path: &Path, lines: impl BufRead, count: usize) -> Result<Vec<Tile>> {
    let mut tiles = Vec::new();
    for (at, line) in lines.lines().enumerate() {
        let line = line.map_err(Error::io("read", path))?;
        let here = |reason: String| wrong(path, format!("line {} of its tiles: {reason}", at + 1));
        if at == count {
            return Err(here(format!("there are only {count} vectors")));
        }
        tiles.push(tile(&line).map_err(here)?);
    }
    if tiles.len() != count {
        return Err(wrong(path, format!("has {} tiles and {count} vectors", tiles.len())));
    }
    Ok(tiles)
}

fn tile(line: &str) -> std::result::Result<Tile, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let footprint = line.geometry.as_ref().map(|geometry| {
        Footprint::from_geojson(geometry).ok_or("its geometry is neither a Polygon nor a MultiPolygon".to_owned())
    });
    let footprint = footprint.transpose()?;
    let place = line.affine.map(|affine| Place { crs: line.crs.unwrap_or_default(), affine, footprint });
    let Line { id, source, row, col, window, valid, .. } = line;
    Ok(Tile { id, source, grid: [row, col], window, valid, place })
}
