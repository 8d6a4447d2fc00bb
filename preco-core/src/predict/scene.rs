//! A raster with all that makes a model's inputs of its samples.

use std::sync::Arc;

use super::{Grid, view};
use crate::error::Result;
use crate::imagery::raster::{Pixels, Raster, Window};
use crate::imagery::{Levels, Rgb8, Stretch, choose_bands, resize};
use crate::spec::Preprocess;

/// Pixels that are read at once, about.
const AT_ONCE_PX: usize = 1 << 20;

/// A scene as a model sees it.
pub struct Scene {
    raster: Arc<dyn Raster>,
    bands: [usize; 3],
    levels: Levels,
    preprocess: Preprocess,
    fill: [u8; 3],
}

/// A tile's colours at the model's size, and how much of it holds data.
pub struct SceneTile {
    /// At the model's size; pixels without data have the mean colour.
    pub image: Rgb8,
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
        let chosen = choose_bands(raster.info(), &preprocess.bands, bands)?;
        let bands = [chosen[0], chosen[1], chosen[2]];
        let levels = stretch.levels(&*raster, bands)?;
        let fill = preprocess.normalise.mean.map(|mean| (255.0 * mean).round() as u8);
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

    /// The colours of a window, which may reach beyond the edge, and the share of it that holds data.
    ///
    /// # Errors
    /// Those of reading.
    pub fn colours(&self, window: Window) -> Result<(Rgb8, f64)> {
        let info = self.raster.info();
        let inside = window.within(info.width, info.height);
        let mut image = vec![0; 3 * window.area()];
        image.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&self.fill));
        let mut valid = 0;
        let mut colours = Vec::new();
        // Numbers take five times the room of colours: a large window is read in pieces.
        for piece in inside.bands(AT_ONCE_PX / inside.width.max(1)).filter(|piece| piece.area() > 0) {
            let pixels = Pixels::read(&*self.raster, piece, &self.bands)?;
            valid += pixels.valid.iter().filter(|&&valid| valid).count();
            colours.resize(3 * piece.area(), 0);
            self.levels.colours(&pixels, self.fill, &mut colours);
            let rows = image.chunks_exact_mut(3 * window.width).skip(piece.y - window.y);
            for (row, out) in colours.chunks_exact(3 * piece.width).zip(rows) {
                out[..row.len()].copy_from_slice(row);
            }
        }
        Ok((Rgb8::new(window.width, window.height, image), valid as f64 / window.area().max(1) as f64))
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
