//! A tile as files of embeddings know it: where it comes from and where it lies.

use crate::geo::Footprint;

/// A tile of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Its number in a run, in the order of inputs, rows and columns.
    pub id: u64,
    /// The input, as the user named it.
    pub source: String,
    /// Row and column in the grid of its scene's tiles.
    pub grid: [u32; 2],
    /// Column, row, width and height of its pixels in the scene, without those beyond the edge.
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
