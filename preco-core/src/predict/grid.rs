//! A scene's tiles: squares of one size at even distances, row by row.
//!
//! The first tile lies at the first pixel; the last one of a row or column reaches to the edge or beyond it. So tiles form
//! a regular grid with an affine transform of its own, whatever the size of the scene, and every pixel lies in one where
//! the distance is not larger than the side.

use crate::geo::Affine;
use crate::imagery::raster::Window;

/// How a scene is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Width of the scene in pixels.
    pub width: usize,
    /// Its height.
    pub height: usize,
    /// Width and height of a tile in pixels: square, but for one tile that is the whole scene.
    pub tile: [usize; 2],
    /// From a tile to the next, in pixels.
    pub stride: usize,
}

impl Grid {
    /// Square tiles of `tile` pixels, `stride` pixels apart; both at least 1.
    pub fn new(width: usize, height: usize, tile: usize, stride: usize) -> Self {
        Self { width, height, tile: [tile.max(1); 2], stride: stride.max(1) }
    }

    /// One tile that is the whole scene.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { width, height, tile: [width.max(1), height.max(1)], stride: width.max(height).max(1) }
    }

    /// Columns of tiles.
    pub fn columns(&self) -> usize {
        self.width.saturating_sub(self.tile[0]).div_ceil(self.stride) + 1
    }

    /// Rows of tiles.
    pub fn rows(&self) -> usize {
        self.height.saturating_sub(self.tile[1]).div_ceil(self.stride) + 1
    }

    /// Tiles; of more than can be counted, the largest number.
    pub fn len(&self) -> usize {
        self.rows().saturating_mul(self.columns())
    }

    /// False: a grid has one tile at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Row and column of tile `at`.
    pub fn place(&self, at: usize) -> [usize; 2] {
        [at / self.columns(), at % self.columns()]
    }

    /// The pixels of tile `at`, those beyond the edge too.
    pub fn window(&self, at: usize) -> Window {
        let [row, column] = self.place(at);
        Window::new(column * self.stride, row * self.stride, self.tile[0], self.tile[1])
    }

    /// The transform of a raster with a pixel for each tile: `stride` of the scene's pixels wide, around tiles' middles.
    pub fn affine(&self, scene: &Affine) -> Affine {
        let stride = self.stride as f64;
        let [x, y] = self.tile.map(|side| (side as f64 - stride) / 2.0);
        scene.moved(x, y).scaled(stride, stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_lies_in_a_tile_and_no_tile_lies_outside() {
        for (width, height, tile, stride) in
            [(10, 7, 4, 4), (10, 7, 4, 3), (3, 9, 4, 2), (4, 4, 4, 4), (1, 1, 5, 1), (9, 9, 3, 1)]
        {
            let grid = Grid::new(width, height, tile, stride);
            let mut seen = vec![false; width * height];
            for at in 0..grid.len() {
                let inside = grid.window(at).within(width, height);
                assert!(inside.area() > 0, "{grid:?}, tile {at}");
                for y in inside.y..inside.y + inside.height {
                    seen[y * width + inside.x..][..inside.width].fill(true);
                }
            }
            assert!(seen.iter().all(|&seen| seen), "{grid:?}");
        }
        assert_eq!(Grid::whole(30, 20).len(), 1);
    }

    #[test]
    fn the_grids_own_pixels_lie_around_the_tiles_middles() {
        let scene = Affine::new([10.0, 0.0, 1000.0, 0.0, -10.0, 2000.0]);
        for stride in [64, 48, 32] {
            let grid = Grid::new(500, 300, 64, stride);
            let [row, column] = grid.place(7);
            let window = grid.window(7);
            let middle = scene.apply(window.x as f64 + 32.0, window.y as f64 + 32.0);
            assert_eq!(grid.affine(&scene).apply(column as f64 + 0.5, row as f64 + 0.5), middle);
        }
    }
}
