//! Synthetic overhead scenes with exact truth: the data set that needs no download.
//!
//! Each scene is a drawing of parcels, water, roads, buildings and trees seen through a sun, an atmosphere and a sensor.
//!
//! - **Format**: RGB, square, any size; [`DEFAULT_GSD_M`] metres per pixel unless told otherwise.
//! - **Classes**: [`CLASSES`], dealt in blocks of eight, so that any prefix is balanced.
//! - **Truth**, all from the same drawing: the class the scene was composed around, the classes present, land use per
//!   pixel, and the visible pixels of each building with their tight box. Land use is what a map says: a garden is
//!   residential, a yard industrial, ploughed soil crops; a bridge is road, a crown over a street forest.
//! - **Hard on purpose**: classes share their colours (palette.rs), light and haze differ per scene. Texture, shape and
//!   surroundings decide.
//! - **Determinism**: scene `i` depends on seed, size, ground sample distance and `i` only, to the byte on every
//!   platform (noise.rs says how).

mod buildings;
mod dice;
mod ground;
mod labels;
mod land;
mod layout;
mod noise;
mod palette;
mod ribbons;
mod sensor;
mod shapes;
#[cfg(test)]
mod tests;
mod town;
mod trees;
mod truth;

use crate::datasets::ImageSource;
use crate::error::Result;
use crate::sample::{Sample, Supervision};
use dice::Dice;
use ground::Ground;
use palette::Style;
use preco_core::imagery::Image8;
use preco_core::rng::Stream;

/// The land uses, in label order.
pub const CLASSES: [&str; 8] = ["crops", "forest", "pasture", "residential", "industrial", "road", "river", "lake"];

/// Metres per pixel of [`SceneGenerator::new`].
pub const DEFAULT_GSD_M: f32 = 1.0;

const CROPS: u8 = 0;
const FOREST: u8 = 1;
const PASTURE: u8 = 2;
const RESIDENTIAL: u8 = 3;
const INDUSTRIAL: u8 = 4;
const ROAD: u8 = 5;
const RIVER: u8 = 6;
const LAKE: u8 = 7;

/// A drawn scene and the truth about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The picture.
    pub image: Image8,
    /// What the scene was composed around, an index into [`CLASSES`].
    pub class: usize,
    /// Which classes cover at least a fiftieth of the pixels; always true for `class`.
    pub labels: Vec<bool>,
    /// The land use of each pixel, row by row, an index into [`CLASSES`].
    pub mask: Vec<u8>,
    /// The building of each pixel, row by row; 0 for none, else `boxes[id - 1]`.
    pub instances: Vec<u16>,
    /// A box for each building of at least eight visible pixels.
    pub boxes: Vec<SceneBox>,
}

/// The visible extent of one building.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SceneBox {
    /// Left, top, right, bottom in pixels; right and bottom are one past the last visible pixel.
    pub xyxy: [u32; 4],
    /// The land use it stands on, an index into [`CLASSES`].
    pub class: usize,
    /// Its number in [`Scene::instances`], from 1.
    pub instance: u16,
}

/// Draws scenes by number.
///
/// # Randomness
/// Stream `scene` at step = the scene's number draws the scene; stream `scene class` at step = number / 8 deals classes.
///
/// # Example
/// ```
/// use preco_train::datasets::scenes::{CLASSES, SceneGenerator};
/// let scene = SceneGenerator::new(7, 64, 100).scene(3);
/// assert_eq!((scene.image.width(), scene.mask.len()), (64, 64 * 64));
/// assert!(scene.labels[scene.class] && scene.class < CLASSES.len());
/// ```
#[derive(Clone, Debug)]
pub struct SceneGenerator {
    seed: u64,
    size_px: usize,
    count: usize,
    gsd_m: f32,
    classes: Vec<String>,
}

impl SceneGenerator {
    /// `count` scenes of `size_px` by `size_px` pixels at [`DEFAULT_GSD_M`]; a size below 16 is taken as 16.
    pub fn new(seed: u64, size_px: usize, count: usize) -> Self {
        let classes = CLASSES.map(String::from).to_vec();
        Self { seed, size_px: size_px.max(16), count, gsd_m: DEFAULT_GSD_M, classes }
    }

    /// The same scenes' recipe at another ground sample distance, kept within 0.1 and 10 metres per pixel; NaN is the default.
    pub fn with_gsd(mut self, gsd_m: f32) -> Self {
        // `clamp` keeps NaN.
        self.gsd_m = if gsd_m.is_nan() { DEFAULT_GSD_M } else { gsd_m.clamp(0.1, 10.0) };
        self
    }

    /// Draws scene `index`; numbers beyond `count` are scenes like any other.
    pub fn scene(&self, index: usize) -> Scene {
        let class = self.class(index);
        let mut dice = Dice::new(self.seed, index);
        let style = Style::draw(&mut dice);
        let mut ground = Ground::new(self.size_px, self.gsd_m, dice.seed());
        layout::compose(&mut ground, class as u8, &style, &mut dice);
        let bytes = sensor::render(&mut ground, &style, &mut dice);
        let boxes = truth::number_instances(&mut ground);
        let labels = truth::present(&ground.mask, class);
        let image = Image8::rgb(self.size_px, self.size_px, bytes);
        Scene { image, class, labels, mask: ground.mask, instances: ground.instance, boxes }
    }

    /// The class of scene `index`, without drawing it.
    pub fn class(&self, index: usize) -> usize {
        let mut deal: [usize; CLASSES.len()] = std::array::from_fn(|class| class);
        Stream::new(self.seed, "scene class", (index / CLASSES.len()) as u64, 0).shuffle(&mut deal);
        deal[index % CLASSES.len()]
    }
}

impl ImageSource for SceneGenerator {
    fn len(&self) -> usize {
        self.count
    }

    fn image(&self, index: usize) -> Result<Image8> {
        Ok(self.scene(index).image)
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(self.class(index))
    }

    fn name(&self, index: usize) -> String {
        format!("scene-{}-{index:06}", self.seed)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample(&self, index: usize, supervision: Supervision) -> Result<Sample> {
        Ok(self.scene(index).into_sample(supervision))
    }
}
