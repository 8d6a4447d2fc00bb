//! A raster with all that makes a model's inputs of its samples.

use std::sync::Arc;

use super::{Grid, seen, view};
use crate::error::Result;
use crate::imagery::raster::{Colours, Pixels, Raster, Window};
use crate::imagery::{Image8, Levels, Stretch, choose_bands, resize};
use crate::spec::Preprocess;

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

impl SceneTile {
    /// A tile of which nothing is known.
    pub fn without_data() -> Self {
        Self { image: Image8::filled(1, 1, [0; 3]), valid: 0.0 }
    }
}

impl Scene {
    /// The scene in `raster` for models that see images by `preprocess`. `bands` are numbers from 1, in place of those that
    /// the model was trained on.
    ///
    /// # Errors
    /// Those of [`choose_bands`] and [`Stretch::levels`].
    pub fn new(
        raster: Arc<dyn Raster>,
        preprocess: &Preprocess,
        bands: Option<&[usize]>,
        stretch: Stretch,
    ) -> Result<Self> {
        let bands = choose_bands(raster.info(), &preprocess.bands, bands.or(preprocess.band_numbers.as_deref()))?;
        let levels = stretch.levels(&*raster, &bands, preprocess.levels.as_ref())?;
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

    /// The bytes of a window, which may reach beyond the edge, and for each of its pixels whether it holds data; those
    /// that do not, and those beyond the edge, have the mean colour.
    ///
    /// # Errors
    /// Those of reading.
    pub fn pixels(&self, window: Window) -> Result<(Image8, Vec<bool>)> {
        let (info, bands) = (self.raster.info(), self.bands.len());
        let mut image = self.fill.repeat(window.area());
        let mut valid = vec![false; window.area()];
        for piece in info.pieces(window.within(info.width, info.height)) {
            let Colours { bytes, valid: held } = self.piece(piece)?;
            put(&mut image, window, &bytes, piece);
            put(&mut valid, window, &held, piece);
        }
        Ok((Image8::new(window.width, window.height, bands, image), valid))
    }

    /// The colours of a piece inside the scene.
    fn piece(&self, piece: Window) -> Result<Colours> {
        if self.levels.is_identity()
            && let Some(mut colours) = Colours::read(&*self.raster, piece, &self.bands)?
        {
            let pixels = colours.bytes.chunks_exact_mut(self.bands.len()).zip(&colours.valid);
            pixels.filter(|(_, valid)| !**valid).for_each(|(pixel, _)| pixel.copy_from_slice(&self.fill));
            return Ok(colours);
        }
        let pixels = Pixels::read(&*self.raster, piece, &self.bands)?;
        let mut bytes = vec![0; self.bands.len() * piece.area()];
        self.levels.colours(&pixels, &self.fill, &mut bytes);
        Ok(Colours { bytes, valid: pixels.valid })
    }

    /// For each pixel of a window, which may reach beyond the edge, whether it holds data.
    ///
    /// # Errors
    /// Those of reading.
    pub fn valid(&self, window: Window) -> Result<Vec<bool>> {
        let info = self.raster.info();
        let mut valid = vec![false; window.area()];
        for piece in info.pieces(window.within(info.width, info.height)) {
            let held = if info.may_lack_data() { self.piece(piece)?.valid } else { vec![true; piece.area()] };
            put(&mut valid, window, &held, piece);
        }
        Ok(valid)
    }

    /// The bytes of a window, which may reach beyond the edge, and the share of it that holds data.
    ///
    /// # Errors
    /// Those of reading.
    pub fn colours(&self, window: Window) -> Result<(Image8, f64)> {
        let (image, valid) = self.pixels(window)?;
        Ok((image, share(&valid)))
    }

    /// The whole scene as one image: its [`view()`]. What counts as data are the pixels that the view shows.
    ///
    /// # Errors
    /// Those of reading and resizing.
    pub fn whole(&self) -> Result<SceneTile> {
        let info = self.raster.info();
        let (image, valid) = self.pixels(info.window())?;
        let seen = seen(info.width, info.height, self.preprocess.size);
        let rows = valid.chunks_exact(info.width.max(1)).skip(seen.y).take(seen.height);
        let valid: Vec<bool> = rows.flat_map(|row| &row[seen.x..seen.x + seen.width]).copied().collect();
        Ok(SceneTile { image: view(&image, &self.preprocess)?, valid: share(&valid) })
    }

    /// The same place in two scenes, as this one's model sees both: only pixels that hold data in both are shown, so that
    /// what one of them lacks is no difference.
    ///
    /// # Errors
    /// Those of reading and resizing.
    pub fn tile_with(&self, window: Window, other: &Self, there: Window) -> Result<SceneTile> {
        let (mut image, mut valid) = self.pixels(window)?;
        let both = other.valid(there)?;
        for (at, (valid, &other)) in valid.iter_mut().zip(&both).enumerate().filter(|(_, (_, other))| !**other) {
            *valid = other;
            image.pixel_mut(at % window.width, at / window.width).copy_from_slice(&self.fill);
        }
        self.sized(image, share(&valid))
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
        self.sized(image, valid)
    }

    fn sized(&self, image: Image8, valid: f64) -> Result<SceneTile> {
        let same = [image.height(), image.width()] == self.preprocess.size;
        let image = if same { image } else { resize(&image, self.preprocess.size, self.preprocess.interpolation)? };
        Ok(SceneTile { image, valid })
    }
}

/// Puts what a piece of a window holds where it belongs.
fn put<T: Copy>(to: &mut [T], window: Window, from: &[T], piece: Window) {
    let pixel = from.len() / piece.area().max(1);
    let length = pixel * piece.width;
    for (row, from) in from.chunks_exact(length.max(1)).enumerate() {
        let start = pixel * ((piece.y + row - window.y) * window.width + piece.x - window.x);
        to[start..start + length].copy_from_slice(from);
    }
}

/// The share that is true, 0 of none.
fn share(valid: &[bool]) -> f64 {
    valid.iter().filter(|&&valid| valid).count() as f64 / valid.len().max(1) as f64
}
