//! A raster with all that makes a model's inputs of its samples.

use std::sync::Arc;

use super::{Grid, view};
use crate::error::Result;
use crate::imagery::raster::{Pixels, Raster, Window};
use crate::imagery::{Image8, Levels, Stretch, choose_bands, resize};
use crate::spec::Preprocess;

/// Pixels that are read at once, about.
const AT_ONCE_PX: usize = 1 << 20;

/// A scene as a model sees it.
pub struct Scene {
    raster: Arc<dyn Raster>,
    bands: Vec<usize>,
    levels: Levels,
    preprocess: Preprocess,
    fill: Vec<u8>,
}

/// A tile's colours at the model's size, and how much of it holds data.
pub struct SceneTile {
    /// At the model's size; pixels without data have the mean colour.
    pub image: Image8,
    /// The share of the tile's pixels that hold data; those beyond the edge hold none.
    pub valid: f64,
}

impl Scene {
    /// The scene in `raster` for models that see images by `preprocess`. `bands` are numbers from 1.
    ///
    /// # Errors
    /// Those of [`choose_bands`] and [`Stretch::levels`].
    pub fn new(
        raster: Arc<dyn Raster>,
        preprocess: &Preprocess,
        bands: Option<&[usize]>,
        stretch: Stretch,
    ) -> Result<Self> {
        let bands = choose_bands(raster.info(), &preprocess.bands, bands)?;
        let levels = stretch.levels(&*raster, &bands)?;
        let fill = preprocess.normalise.fill();
        Ok(Self { raster, bands, levels, preprocess: preprocess.clone(), fill })
    }

    /// The raster.
    pub fn raster(&self) -> &dyn Raster {
        &*self.raster
    }

    /// Which stored values become black and white.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The bytes of a window, which may reach beyond the edge, and the share of it that holds data.
    ///
    /// # Errors
    /// Those of reading.
    pub fn colours(&self, window: Window) -> Result<(Image8, f64)> {
        let info = self.raster.info();
        let inside = window.within(info.width, info.height);
        let bands = self.bands.len();
        let mut image = self.fill.repeat(window.area());
        let mut valid = 0;
        let mut colours = Vec::new();
        // Numbers take five times the room of colours: a large window is read in pieces.
        for piece in inside.bands(AT_ONCE_PX / inside.width.max(1)).filter(|piece| piece.area() > 0) {
            let pixels = Pixels::read(&*self.raster, piece, &self.bands)?;
            valid += pixels.valid.iter().filter(|&&valid| valid).count();
            colours.resize(bands * piece.area(), 0);
            self.levels.colours(&pixels, &self.fill, &mut colours);
            let rows = image.chunks_exact_mut(bands * window.width).skip(piece.y - window.y);
            for (row, out) in colours.chunks_exact(bands * piece.width).zip(rows) {
                out[..row.len()].copy_from_slice(row);
            }
        }
        Ok((Image8::new(window.width, window.height, bands, image), valid as f64 / window.area().max(1) as f64))
    }

    /// The whole scene as one image: its [`view()`].
    ///
    /// # Errors
    /// Those of reading and resizing.
    pub fn whole(&self) -> Result<SceneTile> {
        let (image, valid) = self.colours(self.raster.info().window())?;
        Ok(SceneTile { image: view(&image, &self.preprocess)?, valid })
    }

    /// Tile `at` of `grid` at the model's size.
    ///
    /// # Errors
    /// Those of reading and resizing.
    pub fn tile(&self, grid: &Grid, at: usize) -> Result<SceneTile> {
        self.tile_in(grid.window(at))
    }

    /// A window's pixels at the model's size.
    ///
    /// # Errors
    /// Those of reading and resizing.
    pub fn tile_in(&self, window: Window) -> Result<SceneTile> {
        let (image, valid) = self.colours(window)?;
        let same = [image.height(), image.width()] == self.preprocess.size;
        let image = if same { image } else { resize(&image, self.preprocess.size, self.preprocess.interpolation)? };
        Ok(SceneTile { image, valid })
    }
}
