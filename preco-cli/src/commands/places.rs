//! Tiles of a file of embeddings, put back where they lie: as a raster with a pixel for each, and as GeoJSON.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use preco_core::files::write_atomic;
use preco_core::geo::{Affine, Crs, Footprint, RasterOut};
use preco_core::predict::Tile;
use preco_zoo::Settings;
use preco_zoo::embeddings::Embeddings;
use serde_json::{Map, Value, json};

use super::embed::open;
use super::tiles::MOST_TILES;

/// Colours of groups and classes, as far apart as twenty can be (Kelly 1965, without black and white); further ones begin again.
pub(crate) const COLOURS: [[u8; 3]; 20] = [
    [255, 179, 0],
    [128, 62, 117],
    [255, 104, 0],
    [166, 189, 215],
    [193, 0, 32],
    [206, 162, 98],
    [129, 112, 102],
    [0, 125, 52],
    [246, 118, 142],
    [0, 83, 138],
    [255, 122, 92],
    [83, 55, 122],
    [255, 142, 0],
    [179, 40, 81],
    [244, 200, 0],
    [127, 24, 13],
    [147, 170, 0],
    [89, 51, 21],
    [241, 58, 19],
    [35, 44, 22],
];
/// A group's colour as web pages write it.
pub(crate) fn colour_text(group: usize) -> String {
    let [red, green, blue] = COLOURS[group % COLOURS.len()];
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The raster of the tiles of one scene: a pixel for each.
pub(crate) struct TileRaster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    affine: Option<Affine>,
    crs: Option<Crs>,
}

impl TileRaster {
    /// Of the file's tiles.
    ///
    /// # Errors
    /// Where they are of several scenes, or there are none.
    pub(crate) fn of(file: &Embeddings, settings: &Settings) -> Result<Self> {
        let Some(first) = file.tiles.first() else { bail!("the file holds no embedding") };
        if let Some(other) = file.tiles.iter().find(|tile| tile.source != first.source) {
            bail!(
                "a raster shows one scene, the file holds {} and {}: write GeoJSON instead",
                first.source,
                other.source
            );
        }
        let named = first.place.as_ref().map(|place| place.crs.as_str()).filter(|name| !name.is_empty());
        let epsg = named.and_then(|name| name.strip_prefix("EPSG:")).and_then(|code| code.parse().ok()).map(Crs::epsg);
        // The keys of another system are in the scene alone, if it is still the one the tiles are of.
        let own = |name: &str| {
            let scene = open(&first.source, overview(file), settings).ok()?;
            scene.info().crs.clone().filter(|crs| crs.name() == name)
        };
        let crs = epsg.or_else(|| own(named?));
        let origin = first.place.as_ref().map(|place| {
            let [x, y] = [first.window[0], first.window[1]].map(f64::from);
            Affine::new(place.affine).moved(-x, -y)
        });
        let seen = |axis: usize| file.tiles.iter().map(|tile| tile.window[2 + axis]).max().unwrap_or(1).max(1);
        // Tiles of a grid are square; all of them may be cut by the scene's edge along one side.
        let is_grid = file.tiles.iter().any(|tile| tile.grid != [0, 0]);
        let size = |axis: usize| if is_grid { seen(0).max(seen(1)) } else { seen(axis) };
        let stride = |axis: usize| {
            let moved = file.tiles.iter().find(|tile| tile.grid[1 - axis] > 0);
            moved.map(|tile| tile.window[axis] / tile.grid[1 - axis])
        };
        let steps = [stride(0), stride(1)];
        let strides = [0, 1].map(|axis| f64::from(steps[axis].or(steps[1 - axis]).unwrap_or(size(axis))));
        // Around the middles of tiles.
        let affine = origin.map(|affine| {
            let [x, y] = [0, 1].map(|axis| (f64::from(size(axis)) - strides[axis]) / 2.0);
            affine.moved(x, y).scaled(strides[0], strides[1])
        });
        let most = |axis: usize| file.tiles.iter().map(|tile| tile.grid[axis]).max().unwrap_or(0) as usize + 1;
        ensure!(
            most(0).saturating_mul(most(1)) <= MOST_TILES,
            "the file claims {} rows and {} columns of tiles: {MOST_TILES} tiles are too many for a raster",
            most(0),
            most(1)
        );
        // Tiles at the end may have been skipped: their pixels hold no data then.
        Ok(Self { width: most(1), height: most(0), affine, crs })
    }

    /// The pixel of a tile.
    pub(crate) fn pixel(&self, tile: &Tile) -> usize {
        tile.grid[0] as usize * self.width + tile.grid[1] as usize
    }

    /// The GeoTIFF to write.
    pub(crate) fn out<'a>(&'a self, nodata: Option<f64>, palette: Option<&'a [[u8; 3]]>) -> RasterOut<'a> {
        let (affine, crs) = (self.affine.as_ref(), self.crs.as_ref());
        RasterOut { width: self.width, height: self.height, bands: 1, affine, crs, nodata, palette }
    }
}

/// The smaller copy of scenes that the file was made of; 0 for scenes themselves.
pub(crate) fn overview(file: &Embeddings) -> usize {
    file.header.settings.get("overview").and_then(Value::as_u64).unwrap_or(0) as usize
}

/// The scenes and images that tiles are of, each once.
pub(crate) fn sources(file: &Embeddings) -> BTreeSet<&str> {
    file.tiles.iter().map(|tile| tile.source.as_str()).collect()
}

/// A tile's outline.
pub(crate) fn footprint(tile: &Tile) -> Option<&Footprint> {
    tile.place.as_ref()?.footprint.as_ref()
}

/// Writes tiles with what is told of them as GeoJSON; those without a footprint have no geometry.
pub(crate) fn write_geojson<'a>(path: &Path, tiles: impl Iterator<Item = (&'a Tile, Value)>) -> Result<()> {
    let features = tiles.map(|(tile, told)| {
        let mut properties = Map::new();
        properties.insert("tile".to_owned(), json!(tile.id));
        properties.insert("source".to_owned(), json!(tile.source));
        properties.insert("window".to_owned(), json!(tile.window));
        properties.extend(told.as_object().cloned().unwrap_or_default());
        let geometry = footprint(tile).map(Footprint::to_geojson);
        json!({ "type": "Feature", "geometry": geometry, "properties": properties })
    });
    let collection = json!({ "type": "FeatureCollection", "features": features.collect::<Vec<_>>() });
    write_atomic(path, |out| Ok(serde_json::to_writer(out, &collection)?))?;
    Ok(())
}

/// Refuses endings that a command cannot write, where something is to be written.
pub(crate) fn check_ending(flag: &str, path: Option<&Path>, endings: &[&str]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ensure!(endings.contains(&ending), "{flag} {} must end in .{}", path.display(), endings.join(" or ."));
    Ok(())
}
