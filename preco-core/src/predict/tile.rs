//! A tile as files of embeddings know it: where it comes from and where it lies.

use crate::geo::Footprint;
use crate::imagery::raster::{RasterInfo, Window};

/// A tile of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Its number in a run, in the order of inputs, rows and columns.
    pub id: u64,
    /// The input, as the user named it.
    pub source: String,
    /// Row and column in the grid of its scene's tiles.
    pub grid: [u32; 2],
    /// Column, row, width and height of the pixels that were seen, without those beyond the edge: of an image that is not
    /// of the model's shape, its middle.
    pub window: [u32; 4],
    /// The share of its pixels that hold data, 0 to 1; pixels beyond the scene's edge hold none.
    pub valid: f32,
    /// Where it lies, where its scene says so.
    pub place: Option<Place>,
}

/// Where a tile lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The scene's coordinate system: `EPSG:32629`, what the file calls another one, or nothing.
    pub crs: String,
    /// From the tile's pixels to the scene's coordinates: `x = a col + b row + c`, `y = d col + e row + f`.
    pub affine: [f64; 6],
    /// Its outline in longitude and latitude; nothing where the coordinate system is not understood.
    pub footprint: Option<Footprint>,
}

impl Tile {
    /// The tile of `scene` in `window`, at row and column `grid`, the `id`-th of its run.
    pub fn of(scene: &RasterInfo, window: Window, grid: [usize; 2], id: u64, source: &str, valid: f64) -> Self {
        let window = window.within(scene.width, scene.height);
        let pixels = [window.x, window.y, window.width, window.height];
        let numbers = pixels.map(|value| value as f64);
        let place = scene.affine.map(|affine| Place {
            crs: scene.crs.as_ref().map(|crs| crs.name().to_owned()).unwrap_or_default(),
            affine: affine.moved(numbers[0], numbers[1]).coefficients(),
            footprint: scene.crs.as_ref().and_then(|crs| Footprint::of_window(numbers, &affine, crs)),
        });
        let (grid, window) = (grid.map(|value| value as u32), pixels.map(|value| value as u32));
        Self { id, source: source.to_owned(), grid, window, valid: valid as f32, place }
    }
}
